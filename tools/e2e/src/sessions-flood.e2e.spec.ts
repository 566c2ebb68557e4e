import { sessionV1 } from '@lastcall/contracts';
import { openChannel } from '@lastcall/sdk';
import { describeWith, until } from '@lastcall/testkit';
import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Pair } from './world/lastcall-processes.js';
import { frame, openLean, type LeanClient, type LeanConnection } from './world/lean-clients.js';
import { startOneEdge, type OneEdge } from './world/one-edge.js';
import { bytesField } from './world/raw-bytes.js';
import { VERSION } from './world/run-said.js';
import { createSdkCrowd } from './world/sdk-crowd.js';
import { INSTALLATION, PARENT } from './world/services.js';
import { createSpreadLine } from './world/spread-line.js';

/*
 * Clients that flood the edge, and clients that do not read. The process does not grow, and users notice nothing: their heartbeats are
 * answered in time and a notice reaches them. LASTCALL_TEST_FLOOD_SECONDS=60 for a minute; it prints what was seen.
 */

const { EndReason } = sessionV1;
const SECONDS = Number(process.env['LASTCALL_TEST_FLOOD_SECONDS'] ?? 20);
const USERS = 20;
const SLOW = 5;
const BEAT_MS = 500;
/** Of a heartbeat's answer and of a notice, on a machine whose cores the flood shares. */
const IN_TIME_MS = 5_000;
/** What the process may have more at the height of the flood: megabytes that nobody has collected yet. */
const MAX_GROWTH_MIB = 250;
/** What the second half of the flood may add to the first: nothing is kept. */
const MAX_LATER_GROWTH_MIB = 100;
const GIANT_BYTES = 900_000;
const SETTINGS = {
  LASTCALL_LOG_LEVEL: 'info',
  LASTCALL_MAX_QUEUED_BYTES: '20000',
  // The SDK answers each of the many messages below at once.
  LASTCALL_MAX_MESSAGES_PER_SECOND: '1000',
  // Longer than all the messages take on a busy machine: who was dropped by the first of them is still waited for.
  LASTCALL_RESUME_GRACE_MS: '90000',
};

function residentMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib) / 1024);
}

/** The heights of the resident memory, MiB. */
function watchMemory(pid: number, durationMs: number) {
  const began = Date.now();
  const before = residentMib(pid);
  let [firstHalf, secondHalf] = [before, 0];
  const watch = setInterval(() => {
    const now = residentMib(pid);
    if (Date.now() - began < durationMs / 2) firstHalf = Math.max(firstHalf, now);
    else secondHalf = Math.max(secondHalf, now);
  }, 200);
  const stop = () => {
    clearInterval(watch);
    return { before, firstHalf, secondHalf };
  };
  return { stop };
}

/** Something that is done again and again until it is over. */
type Attack = (round: number) => Promise<void>;

function suite(pair: Pair): void {
  let edge: OneEdge;
  beforeAll(async () => {
    edge = await startOneEdge(pair, SETTINGS);
  }, 180_000);
  const endings: (() => unknown)[] = [];
  afterEach(async () => {
    for (let end = endings.pop(); end; end = endings.pop()) await end();
  }, 180_000);
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

  /** HTTP/2 itself ends a connection on which too many streams are broken off; who floods opens the next one. */
  async function openAgainAndAgain(): Promise<() => LeanConnection> {
    const credential = await edge.clientToken();
    let connection = openLean(edge.address, credential);
    endings.push(() => connection.close());
    return () => {
      if (connection.http2.closed || connection.http2.destroyed) connection = openLean(edge.address, credential);
      return connection;
    };
  }

  function attacksOn(door: () => LeanConnection): readonly Attack[] {
    const giant = frame(bytesField(1, bytesField(2, Buffer.alloc(GIANT_BYTES, 'x'))));
    const tooBig = frame(bytesField(1, bytesField(2, Buffer.alloc(2 * 1024 * 1024, 'x'))));
    const send = async (bytes: Uint8Array): Promise<void> => {
      const client = door().attach();
      client.write(bytes);
      await client.answer();
      client.cut();
    };
    const attachAndGo = async (user: string): Promise<void> => {
      const client = door().attach(hello(user));
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
        const client = door().attach(hello(`holder-${round}`));
        if ((await client.answer()) !== 'welcome') return;
        const duration = { seconds: 600n, nanos: 0 };
        while (!client.isOver) {
          for (let i = 0; i < 20; i++) client.say({ $case: 'hold', value: { reason: 'x'.repeat(200), duration } });
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    ];
  }

  it(
    `a flood of ${SECONDS} s costs the others nothing, and memory stays bounded`,
    async () => {
      const quiet = openLean(edge.address, await edge.clientToken());
      endings.push(() => quiet.close());
      const users = await logIn(quiet, 'user');
      const memory = watchMemory(edge.pid, SECONDS * 1_000);
      const over = new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000));
      const loud = await openAgainAndAgain();
      let isOver = false;
      void over.then(() => (isOver = true));
      const rounds = attacksOn(loud).map(async (attack) => {
        let done = 0;
        for (; !isOver; done++) {
          await attack(done);
          // A door that shuts in their face at once must not keep this process from its timers.
          await turn();
        }
        return done;
      });
      const longestMs = await beatUntil(users, over);
      const done = await Promise.all(rounds);

      const sentAt = Date.now();
      const { notice } = await edge.operator.sendNotice({ parent: PARENT, text: 'Cake in the kitchen.' });
      await Promise.all(users.map((user) => user.until('notice', (told) => told.notice === notice?.notice)));
      const toldMs = Date.now() - sentAt;
      const { before, firstHalf, secondHalf } = memory.stop();
      if (process.env['LASTCALL_TEST_FLOOD_SECONDS'] !== undefined) {
        const mib = { before, firstHalf, secondHalf, after: residentMib(edge.pid) };
        const figures = { pair, seconds: SECONDS, done, longestMs, toldMs, mib };
        process.stderr.write(`${JSON.stringify(figures)}\n`);
      }
      expect(done.every((times) => times > 0)).toBe(true);
      expect(users.map((user) => user.of('ended'))).toEqual(users.map(() => []));
      expect(longestMs).toBeLessThan(IN_TIME_MS);
      expect(toldMs).toBeLessThan(IN_TIME_MS);
      expect(Math.max(firstHalf, secondHalf) - before).toBeLessThan(MAX_GROWTH_MIB);
      expect(secondHalf - firstHalf).toBeLessThan(MAX_LATER_GROWTH_MIB);
    },
    (SECONDS + 60) * 1_000,
  );

  /** Its connection is gone, and it may come back. Asked by name: a flood leaves more behind than a page holds. */
  async function isLost(user: string): Promise<boolean> {
    const { sessions } = await edge.operator.listSessions({
      parent: PARENT,
      pageSize: 1,
      pageToken: '',
      user,
      host: '',
    });
    return sessions.some(({ lost }) => lost);
  }

  it('readers that are slow are dropped with the reason, and come back to the standing notice; others go on', async () => {
    const credential = await edge.clientToken();
    const line = await createSpreadLine([edge.address]);
    endings.push(() => line.remove());
    const channels = [line.address, edge.address].map((address) =>
      openChannel({ address, credential: () => credential }),
    );
    endings.push(() => channels.forEach((channel) => channel.close()));
    const [slow, quick] = channels.map((channel, i) => createSdkCrowd(SLOW, [channel], i === 0 ? 'slow' : 'quick'));
    if (!slow || !quick) throw new Error('there are two crowds');
    endings.push(() => Promise.all([slow, quick].map((crowd) => crowd.leave())));
    await Promise.all([slow, quick].map((crowd) => crowd.everybody(({ attached }) => attached.length === 1, 'in')));
    const direct = openLean(edge.address, credential);
    endings.push(() => direct.close());
    const deaf = direct.attach(hello('deaf'));
    const { resumeToken } = await deaf.until('welcome');
    const reactionTime = { seconds: 60n, nanos: 0 };
    const gate = { name: `${PARENT}/gate`, reason: 'New disks.' };
    endings.push(() => edge.operator.openGate({ name: gate.name, reason: 'The test is over.' }));
    const standing = (await edge.operator.closeGate({ ...gate, reactionTime })).gate?.notice?.notice ?? '';
    await Promise.all([slow, quick].map((crowd) => crowd.everybody(({ told }) => told.includes(standing), 'told')));

    line.hold();
    deaf.turnDeaf();
    const messages: string[] = [];
    for (let i = 0; i < 60; i++) {
      const { notice } = await edge.operator.sendNotice({ parent: PARENT, text: `${i} ${'x'.repeat(3_900)}` });
      messages.push(notice?.notice ?? '');
      await quick.everybody(({ told }) => told.includes(messages.at(-1) ?? ''), 'told at once', IN_TIME_MS);
    }
    const readers = [...slow.members.map(({ user }) => user), 'deaf'];
    const areDropped = async (): Promise<boolean> => (await Promise.all(readers.map(isLost))).every(Boolean);
    await until(areDropped, 'the slow ones to be dropped');
    // The SDK finds its way back without a word to the user; what it was told stands at the end of what it had not read.
    deaf.listen();
    expect(await deaf.until('ended')).toMatchObject({ reason: EndReason.CONNECTION, comeBack: true });
    expect(deaf.of('ended')[0]?.text).toMatch(/reads too slowly/);
    const back = direct.attach({ ...hello('deaf'), resumeToken });
    expect((await back.until('welcome')).notice?.notice).toBe(standing);
    line.release();
    await slow.everybody(({ attached, session }) => attached.length > 1 && session.phase === 'attached', 'back');
    for (const { attached, told, logoffs, session } of slow.members) {
      expect(new Set(attached).size).toBe(1);
      expect(logoffs).toEqual([]);
      expect(session.notice?.id).toBe(standing);
      expect(new Set(told).size).toBe(told.length);
    }
    for (const { attached, told, logoffs } of quick.members) {
      expect([attached.length, logoffs]).toEqual([1, []]);
      expect(told).toEqual([standing, ...messages]);
    }
  }, 180_000);
}

describe('a flooded edge, embedded', () => suite('embedded'));
describeWith('mongodb', 'a flooded edge, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
