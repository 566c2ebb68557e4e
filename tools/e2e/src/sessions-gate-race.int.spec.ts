import { sessionV1 } from '@lastcall/contracts';
import type { RunSpec } from '@lastcall/kernel';
import { describeWith, type SeenEvent } from '@lastcall/testkit';
import { setImmediate as turn } from 'node:timers/promises';
import type { Pair } from './world/lastcall-processes.js';
import { openLean, type LeanClient, type LeanConnection } from './world/lean-clients.js';
import { backedUp, cancelledRun, drainingRun, staged, VERSION } from './world/run-said.js';
import { INSTALLATION } from './world/services.js';
import { openReplicas, type SessionReplicas } from './world/session-replicas.js';

/*
 * Thousands log in at three doors while the gate shuts, at another moment of the storm in each round. When zero is said it is zero in
 * the store, at every replica; nobody is let in after it; and whoever was welcomed had been told, and ended at the deadline.
 *
 * LASTCALL_GATE_RACE=full: 10,000 logins and 100 rounds; LASTCALL_GATE_RACE=10000x20: so many logins and rounds. Both print figures.
 */

const { EndReason, RefusalReason } = sessionV1;
const REPLICAS = 3;
const CONNECTIONS_PER_REPLICA = 4;
/** Inside before each storm, so that each round has somebody to log off. */
const SITTING = 20;
const REACTION_MS = 200;
/** Logins that are sent before the network has its turn. */
const AT_ONCE = 50;
const SETTINGS = {
  sessionLeaseMs: 60_000,
  drainTimeoutMs: 120_000,
  // Nobody renews it here.
  gateLeaseMs: 600_000,
  maxSessionsPerInstallation: 100_000,
  attachBurst: 1_000_000,
  attachPerSecond: 100_000,
  attachBurstPerInstallation: 1_000_000,
  attachPerSecondPerInstallation: 100_000,
};
const WANTED = process.env['LASTCALL_GATE_RACE'];
const { logins, rounds } = sizeOf(WANTED);

function sizeOf(wanted = ''): { readonly logins: number; readonly rounds: number } {
  if (wanted === 'full') return { logins: 10_000, rounds: 100 };
  const [, logins = '1000', rounds = '20'] = /^(\d+)x(\d+)$/.exec(wanted) ?? [];
  return { logins: Number(logins), rounds: Number(rounds) };
}

interface Round {
  readonly welcomed: readonly LeanClient[];
  readonly refused: readonly LeanClient[];
  /** In the store when zero was said, and when it was said again right before the install. */
  readonly counts: readonly number[];
  readonly drained: SeenEvent<'SessionsDrained'>;
  readonly shutAt: number;
}

interface Storm {
  readonly clients: readonly LeanClient[];
  /** Resolves with the answers, in the order of the clients. */
  readonly answered: Promise<readonly string[]>;
}

function suite(pair: Pair): void {
  let replicas: SessionReplicas;
  let connections: readonly LeanConnection[];

  beforeAll(async () => {
    replicas = await openReplicas(pair, REPLICAS, SETTINGS);
    // The doors take turns.
    connections = Array.from({ length: REPLICAS * CONNECTIONS_PER_REPLICA }, (_, i) => {
      const stack = replicas.all[i % REPLICAS]!;
      return openLean(stack.grpcAddress, stack.token('client', INSTALLATION));
    });
  });
  afterAll(async () => {
    connections.forEach((connection) => connection.close());
    await replicas.stop();
  });

  const attach = (user: string, i: number): LeanClient =>
    connections[i % connections.length]!.attach({ installation: INSTALLATION, user, version: VERSION });

  /** Everybody at once; `shut` is called after so many steps: each login that is sent is one, each answer another. */
  async function storm(name: string, shutAfter: number, shut: () => void): Promise<Storm> {
    const clients: LeanClient[] = [];
    const answers: Promise<string>[] = [];
    let steps = 0;
    const step = (): void => {
      if (++steps === shutAfter) shut();
    };
    for (let i = 0; i < logins; i++) {
      const client = attach(`${name}-${i}`, i);
      clients.push(client);
      answers.push(client.answer().finally(step));
      step();
      if (i % AT_ONCE === 0) await turn();
    }
    return { clients, answered: Promise.all(answers) };
  }

  /** One after the other at each door, until the install may begin. */
  async function latecomers(name: string, until: Promise<unknown>): Promise<readonly LeanClient[]> {
    const clients: LeanClient[] = [];
    let over = false;
    const ending = until.finally(() => (over = true));
    const doors = replicas.all.map(async (_, door) => {
      for (let i = 0; !over; i++) {
        const client = attach(`${name}-late-${door}-${i}`, door);
        clients.push(client);
        await client.answer();
      }
    });
    await Promise.all([ending, ...doors]);
    return clients;
  }

  const of = (run: RunSpec) => (message: { readonly run?: { readonly run: string } | undefined }) =>
    message.run?.run === run.run;
  const countEverywhere = () => Promise.all(replicas.all.map((_, i) => replicas.count(i)));

  async function race(number: number): Promise<Round> {
    const { publish, seen } = replicas.first;
    const run = drainingRun({ reactionTimeMs: REACTION_MS });
    const sitting = Array.from({ length: SITTING }, (_, i) => attach(`sitting-${number}-${i}`, i));
    for (const client of sitting) await client.until('welcome');
    const shutAfter = 1 + Math.floor(Math.random() * logins * 1.9);
    let published: Promise<unknown> | undefined;
    const { clients, answered } = await storm(`r${number}`, shutAfter, () => {
      published = publish('StagingCompleted', INSTALLATION, staged(run));
    });
    const patienceMs = 20_000 + logins * 5;
    const drained = seen('SessionsDrained', of(run), patienceMs);
    const counts: number[] = [];
    const confirmed = drained.then(async () => {
      counts.push(...(await countEverywhere()));
      await publish('BackupTaken', INSTALLATION, backedUp(run));
      await seen('DrainConfirmed', of(run), patienceMs);
      counts.push(...(await countEverywhere()));
    });
    const late = await latecomers(`r${number}`, confirmed);
    const answers = await answered;
    await published;
    await publish('RunCancelled', INSTALLATION, cancelledRun(run));
    await seen('GateReopened', of(run), patienceMs);
    const everybody = [...sitting, ...clients, ...late];
    expect(answers.filter((answer) => answer !== 'welcome' && answer !== 'refused')).toEqual([]);
    return {
      welcomed: everybody.filter((client) => client.of('welcome').length > 0),
      refused: everybody.filter((client) => client.of('refused').length > 0),
      counts,
      drained: await drained,
      shutAt: (await seen('GateClosed', of(run))).envelope.time,
    };
  }

  /** Nobody of those who were welcomed is inside any more, and each was treated as promised. */
  async function judge({ welcomed, refused, counts, drained }: Round): Promise<void> {
    expect(counts).toEqual(counts.map(() => 0));
    const ends = await Promise.all(welcomed.map((client) => client.until('ended')));
    const wrongs = welcomed.map((client, i) => {
      const notices = [client.of('welcome')[0]?.notice, ...client.of('notice')].filter(
        (notice) => notice !== undefined,
      );
      const [notice] = notices;
      const earlyMs = (notice?.deadline?.getTime() ?? Infinity) - (client.heard.at(-1)?.at ?? 0);
      const fair = notices.length === 1 && ends[i]?.reason === EndReason.DEADLINE && earlyMs <= 0;
      return fair && client.of('ended').length === 1
        ? ''
        : `${client.describe()}, ${earlyMs} ms early, ${ends[i]?.text}`;
    });
    expect(wrongs.filter((wrong) => wrong !== '').slice(0, 10)).toEqual([]);
    expect(welcomed.filter((client) => (client.heard[0]?.serverAt ?? 0) > drained.envelope.time)).toEqual([]);
    expect(new Set(refused.map((client) => client.of('refused')[0]?.reason))).toEqual(
      new Set([RefusalReason.GATE_SHUT]),
    );
    const all = welcomed.length;
    expect(drained.message.summary).toMatchObject({ told: all, ended: all, left: 0, lost: 0 });
  }

  it(
    `${logins} logins at once, ${rounds} rounds: nobody is let in after the close`,
    async () => {
      let [welcomed, refused, latestMs] = [0, 0, 0];
      for (let number = 0; number < rounds; number++) {
        const round = await race(number);
        await judge(round);
        welcomed += round.welcomed.length;
        refused += round.refused.length;
        const welcomes = round.welcomed.map((client) => client.heard[0]?.serverAt ?? 0);
        latestMs = Math.max(latestMs, ...welcomes.map((at) => at - round.shutAt));
      }
      // A race that only one side ever wins shows nothing.
      expect(welcomed).toBeGreaterThan(rounds * SITTING);
      expect(refused).toBeGreaterThan(0);
      if (WANTED !== undefined) {
        const figures = { pair, logins, rounds, welcomed, refused, latestWelcomeAfterShutMs: latestMs };
        process.stderr.write(`${JSON.stringify(figures)}\n`);
      }
    },
    rounds * (20_000 + logins * 10),
  );
}

describe('gate race at three replicas, embedded', () => suite('embedded'));
describeWith('mongodb', 'gate race at three replicas, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
