import { describeWith } from '@lastcall/testkit';
import { readFileSync } from 'node:fs';
import type { Pair } from './world/lastcall-processes.js';
import { frame, openLean, type LeanClient, type LeanConnection } from './world/lean-clients.js';
import { startOneEdge, type OneEdge } from './world/one-edge.js';
import { bytesField } from './world/raw-bytes.js';
import { VERSION } from './world/run-said.js';
import { createSdkCrowd } from './world/sdk-crowd.js';
import { INSTALLATION, PARENT } from './world/services.js';
import { createSpreadLine } from './world/spread-line.js';
import { openChannel } from '@lastcall/sdk';

/*
 * Clients that flood the edge, and clients that do not read. The process does not grow, and users notice nothing: their heartbeats are
 * answered in time and a notice reaches them. LASTCALL_TEST_FLOOD_SECONDS=60 for a minute; it prints what was seen.
 */

const SECONDS = Number(process.env['LASTCALL_TEST_FLOOD_SECONDS'] ?? 20);
const USERS = 20;
const BEAT_MS = 500;
/** Of a heartbeat's answer and of a notice, on a machine whose cores the flood shares. */
const IN_TIME_MS = 2_000;
/** What the process may have more at the height of the flood: garbage that is not collected yet, and no more. */
const MAX_GROWTH_MIB = 200;
const GIANT_BYTES = 900_000;
const SETTINGS = { LASTCALL_MAX_QUEUED_BYTES: '20000', LASTCALL_LOG_LEVEL: 'info', LASTCALL_RESUME_GRACE_MS: '3000' };

function residentMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib) / 1024);
}

/** Something that is done again and again until it is over. Answers how often. */
type Attack = (round: number) => Promise<void>;

function suite(pair: Pair): void {
  let edge: OneEdge;
  beforeAll(async () => {
    edge = await startOneEdge(pair, SETTINGS);
  }, 120_000);
  afterAll(() => edge.stop(), 60_000);

  const hello = (user: string) => ({ installation: INSTALLATION, user, version: VERSION });

  async function logIn(connection: LeanConnection, name: string): Promise<readonly LeanClient[]> {
    const clients = Array.from({ length: USERS }, (_, i) => connection.attach(hello(`${name}-${i}`)));
    await Promise.all(clients.map((client) => client.until('welcome')));
    return clients;
  }

  /** Longest time to the answer of a heartbeat, over all users, while it lasts. */
  async function beatUntil(clients: readonly LeanClient[], over: Promise<unknown>): Promise<number> {
    let isOver = false;
    void over.finally(() => (isOver = true));
    const longest = await Promise.all(
      clients.map(async (client) => {
        let longestMs = 0;
        for (let beats = 1; !isOver; beats++) {
          const askedAt = Date.now();
          client.say({ $case: 'heartbeat', value: {} });
          await client.until('heartbeat', () => client.of('heartbeat').length >= beats);
          longestMs = Math.max(longestMs, Date.now() - askedAt);
          await Promise.race([over, new Promise((resolve) => setTimeout(resolve, BEAT_MS))]);
        }
        return longestMs;
      }),
    );
    return Math.max(...longest);
  }

  function attacksOn(connection: LeanConnection): readonly Attack[] {
    const giant = frame(bytesField(1, bytesField(2, Buffer.alloc(GIANT_BYTES, 'x'))));
    const tooBig = frame(bytesField(1, bytesField(2, Buffer.alloc(2 * 1024 * 1024, 'x'))));
    const send = async (bytes: Uint8Array): Promise<void> => {
      const client = connection.attach();
      client.write(bytes);
      await client.answer();
      client.cut();
    };
    const attachAndGo = async (user: string): Promise<void> => {
      const client = connection.attach(hello(user));
      await client.answer();
      client.cut();
    };
    return [
      () => attachAndGo('loop'),
      // Another name each time: the limit of one user does not hold this one.
      (round) => attachAndGo(`crowd-${round}`),
      () => send(giant),
      () => send(tooBig),
      // "Not now" without end, until it is dropped.
      async (round) => {
        const client = connection.attach(hello(`holder-${round}`));
        if ((await client.answer()) !== 'welcome') return;
        const duration = { seconds: 600n, nanos: 0 };
        while (!client.isOver) {
          for (let i = 0; i < 20; i++) client.say({ $case: 'hold', value: { reason: 'x'.repeat(200), duration } });
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    ];
  }

  it(`a flood of ${SECONDS} s costs the others nothing, and memory stays bounded`, async () => {
    const quiet = openLean(edge.address, await edge.clientToken());
    const users = await logIn(quiet, 'user');
    const before = residentMib(edge.pid);
    let height = before;
    const over = new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000));
    const watch = setInterval(() => (height = Math.max(height, residentMib(edge.pid))), 200);
    const loud = openLean(edge.address, await edge.clientToken());
    let isOver = false;
    void over.then(() => (isOver = true));
    const rounds = attacksOn(loud).map(async (attack) => {
      let done = 0;
      while (!isOver) await attack(done++);
      return done;
    });
    const longestMs = await beatUntil(users, over);
    const done = await Promise.all(rounds);

    const sentAt = Date.now();
    const { notice } = await edge.operator.sendNotice({ parent: PARENT, text: 'Cake in the kitchen.' });
    await Promise.all(users.map((user) => user.until('notice', (told) => told.notice === notice?.notice)));
    const toldMs = Date.now() - sentAt;
    clearInterval(watch);
    if (process.env['LASTCALL_TEST_FLOOD_SECONDS'] !== undefined) {
      const after = residentMib(edge.pid);
      const figures = { pair, seconds: SECONDS, done, longestMs, toldMs, before, height, after };
      process.stderr.write(`${JSON.stringify(figures)}\n`);
    }
    expect(done.every((times) => times > 0)).toBe(true);
    expect(users.map((user) => user.of('ended'))).toEqual(users.map(() => []));
    expect(longestMs).toBeLessThan(IN_TIME_MS);
    expect(toldMs).toBeLessThan(IN_TIME_MS);
    expect(height - before).toBeLessThan(MAX_GROWTH_MIB);
    quiet.close();
    loud.close();
  }, (SECONDS + 60) * 1_000);

  it('readers that are slow are dropped with the reason, and come back to the standing notice; others go on', async () => {
    const credential = await edge.clientToken();
    const line = await createSpreadLine([edge.address]);
    const channels = [line.address, edge.address].map((address) =>
      openChannel({ address, credential: () => credential }),
    );
    const [slow, quick] = channels.map((channel, i) => createSdkCrowd(5, [channel], i === 0 ? 'slow' : 'quick'));
    if (!slow || !quick) throw new Error('there are two crowds');
    await Promise.all([slow, quick].map((crowd) => crowd.everybody(({ attached }) => attached.length === 1, 'in')));
    const reactionTime = { seconds: 60n, nanos: 0 };
    const gate = { name: `${PARENT}/gate`, reason: 'New disks.' };
    const standing = (await edge.operator.closeGate({ ...gate, reactionTime })).gate?.notice?.notice ?? '';
    await Promise.all([slow, quick].map((crowd) => crowd.everybody(({ told }) => told.includes(standing), 'told')));

    line.hold();
    const messages: string[] = [];
    for (let i = 0; i < 60; i++) {
      const { notice } = await edge.operator.sendNotice({ parent: PARENT, text: `${i} ${'x'.repeat(3_900)}` });
      messages.push(notice?.notice ?? '');
      await quick.everybody(({ told }) => told.includes(messages.at(-1) ?? ''), 'told at once', IN_TIME_MS);
    }
    line.release();
    await slow.everybody(({ attached, session }) => attached.length > 1 && session.phase === 'attached', 'back');
    for (const { attached, told, logoffs, session } of slow.members) {
      expect(new Set(attached).size).toBe(1);
      expect(logoffs).toEqual(['connection']);
      expect(session.notice?.id).toBe(standing);
      expect(new Set(told).size).toBe(told.length);
    }
    for (const { attached, told, logoffs } of quick.members) {
      expect([attached.length, logoffs]).toEqual([1, []]);
      expect(told).toEqual([standing, ...messages]);
    }
    await Promise.all([slow, quick].map((crowd) => crowd.leave()));
    await edge.operator.openGate({ name: gate.name, reason: 'The test is over.' });
    channels.forEach((channel) => channel.close());
    await line.remove();
  }, 60_000);
}

describe('a flooded edge, embedded', () => suite('embedded'));
describeWith('mongodb', 'a flooded edge, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
