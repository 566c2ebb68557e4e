import { assertNever, HOUR_MS, MINUTE_MS, type RunSpec } from '@lastcall/kernel';
import fc from 'fast-check';
import type { GateCommand } from '../domain/gate-messages.js';
import { holderOf, type GateState } from '../domain/gate-state.js';
import { GRACE, spec, WHY } from './gate-commands.js';

/* Anything that a gate may be told, in any order and late, with users who come and go meanwhile. */

export const REACTION = 5 * MINUTE_MS;
export const LIMITS = { longestMs: 40 * MINUTE_MS, maxCount: 2, maxTotalDelayMs: 45 * MINUTE_MS };

const WINDOW = { type: 'maintenance-window', closedForMs: 20 * MINUTE_MS, toVersion: '', hosts: [] } as const;

function specOf(n: number): RunSpec {
  const server = { host: 'srv', role: 'server', mayFollowLater: false } as const;
  const others = ['ts1', 'ts2'].map((host) => ({ host, role: 'terminal-server', mayFollowLater: false }) as const);
  const hosts = [server, ...others];
  if (n === 3) return spec('r3', n, { ...WINDOW, holdsAllowed: true });
  return spec(`r${n}`, n, { fromVersion: '1.0.0', toVersion: '2.0.0', hosts, holdsAllowed: n !== 1 });
}

type Make = (at: number) => GateCommand;
export type Step = (scene: Scene, at: number) => void;

/** A gate and those inside. */
export interface Scene {
  readonly state: GateState;
  take(command: GateCommand): void;
  enter(exempt: boolean): void;
  leave(exempt: boolean): void;
  /** What the edge does at the deadline and before the install. */
  endThoseWhoMustGo(at: number): void;
  /** What the keeper does: counts and says so. */
  count(at: number, epoch?: number): void;
}
/** Number 3 is a maintenance window. */
const runs = [1, 2, 3, 4].map(specOf);
const updates = runs.filter(({ type }) => type === 'software-update');
const anyRun = fc.constantFrom(...runs);
/** Nobody says of a maintenance window what became of its install. */
const anyUpdate = fc.constantFrom(...updates);
const anyHost = fc.constantFrom('ts1', 'ts2');
const anyLease = fc.constantFrom(2 * MINUTE_MS, 3 * HOUR_MS);

export const counts = { told: 0, acknowledged: 0, read: 0, left: 0, ready: 0, ended: 0 };

const ofHolds: fc.Arbitrary<Make> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({
        n: fc.nat(1),
        needsApproval: fc.boolean(),
        durationMs: fc.constantFrom(MINUTE_MS, HOUR_MS, 4 * HOUR_MS),
      })
      .map(({ n, needsApproval, durationMs }): Make => (at) => ({
        type: 'hold',
        hold: `h${n}`,
        session: `s${n}`,
        user: 'ann',
        reason: 'x',
        durationMs,
        limits: { ...LIMITS, needsApproval },
        notice: `m${at}`,
        at,
      })),
  },
  fc.nat(1).map((n): Make => (at) => ({ type: 'release-hold', hold: `h${n}`, reason: 'x', notice: `m${at}`, at })),
  fc.nat(1).map((n): Make => (at) => ({ type: 'approve-hold', hold: `h${n}`, by: 'otto', notice: `m${at}`, at })),
  fc.nat(1).map((n): Make => (at) => ({ type: 'drop-hold', session: `s${n}`, notice: `m${at}`, at })),
);

const ofLeases: fc.Arbitrary<Make> = fc.oneof(
  fc
    .record({ run: anyRun, leaseMs: anyLease })
    .map(({ run, leaseMs }): Make => (at) => ({ type: 'renew-lease', run: run.run, fence: run.fence, leaseMs, at })),
  fc.boolean().map((leaseWatched): Make => (at) => ({ type: 'expire', at, overdueGraceMs: GRACE, leaseWatched })),
);

const ofFirstStarts: fc.Arbitrary<Make> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ run: anyRun, host: anyHost }).map(({ run, host }): Make => (at) => ({
      type: 'prove-first-start',
      host,
      code: `${run.run}-${host}`,
      version: '2.0.0',
      at,
    })),
  },
  fc.record({ run: anyRun, host: anyHost, failed: fc.boolean() }).map(({ run, host, failed }): Make => (at) => ({
    type: 'finish-first-start-order',
    order: `${run.run}.${host}.first-start-1`,
    ...(failed && { failure: WHY }),
    at,
    settleMs: 1_000,
  })),
);

function updated(run: RunSpec, at: number): GateCommand {
  const codes = { ts1: `${run.run}-ts1`, ts2: `${run.run}-ts2` };
  return { type: 'update', run, absentHosts: [], codes, giveUpAt: at + MINUTE_MS, at };
}

const ofOutcomes: fc.Arbitrary<Make> = fc.oneof(
  fc
    .record({
      run: anyRun,
      after: fc.constantFrom('preflight' as const, 'staging' as const, 'backup' as const, 'cancel' as const),
    })
    .map(({ run, after }): Make => (at) => ({ type: 'fail', run, after, outcome: 'failed', failure: WHY, at })),
  anyUpdate.map((run): Make => (at) => ({ type: 'roll-back', run, failure: WHY, at })),
  fc.record({ run: anyUpdate, lost: fc.subarray(['srv', 'ts1', 'ts2']) }).map(({ run, lost }): Make => (at) => ({
    type: 'quarantine',
    run,
    failure: WHY,
    hosts: Object.fromEntries(lost.map((h) => [h, 'Lost.'])),
    at,
  })),
  fc
    .record({ run: anyUpdate, host: fc.constantFrom('srv', 'ts1', 'ts2') })
    .map(({ run, host }): Make => (at) => ({ type: 'release-host', run, host, at })),
  {
    weight: 3,
    arbitrary: anyUpdate.map(
      (run): Make =>
        (at) =>
          updated(run, at),
    ),
  },
);

const ofPeople: fc.Arbitrary<Make> = fc.oneof(
  fc.constant<Make>((at) => ({ type: 'open-by-hand', who: 'otto', reason: 'x', at })),
  fc.constant<Make>((at) => ({ type: 'shut-by-hand', who: 'otto', reason: 'x', reactionTimeMs: REACTION, at })),
  fc.constantFrom('', '1.0.0', '2.0.0').map((version): Make => () => ({ type: 'learn-version', version })),
);

const onTheWay: fc.Arbitrary<Make> = fc.oneof(
  fc
    .record({ run: anyRun, leaseMs: anyLease })
    .map(({ run, leaseMs }): Make => (at) => ({ type: 'shut', run, leaseMs, at })),
  fc.nat(3).map((sessions): Make => (at) => ({ type: 'tell', notice: `n${at}`, sessions, at })),
  fc.constant<Make>((at) => ({ type: 'end', at, giveUpAt: at + MINUTE_MS })),
  anyRun.map(({ run }): Make => (at) => ({ type: 'note-backup', run, at, giveUpAt: at + MINUTE_MS })),
);

const told: fc.Arbitrary<Step> = fc
  .oneof(
    { weight: 12, arbitrary: onTheWay },
    { weight: 2, arbitrary: ofOutcomes },
    { weight: 4, arbitrary: ofFirstStarts },
    { weight: 9, arbitrary: ofHolds },
    { weight: 3, arbitrary: ofLeases },
    { weight: 1, arbitrary: ofPeople },
  )
  .map((make) => (scene, at) => scene.take(make(at)));

/** Users come and go, and those who have to go are ended; some at once, some later. */
const users: fc.Arbitrary<Step> = fc.oneof(
  fc.boolean().map(
    (exempt): Step =>
      (scene) =>
        scene.enter(exempt),
  ),
  fc.boolean().map(
    (exempt): Step =>
      (scene) =>
        scene.leave(exempt),
  ),
  fc.constant<Step>((scene, at) => scene.endThoseWhoMustGo(at)),
);

/** Counted in this epoch, or late, in another one. */
const counted: fc.Arbitrary<Step> = fc
  .option(fc.integer({ min: 1, max: 3 }))
  .map((epoch) => (scene, at) => scene.count(at, epoch ?? undefined));

/** The next thing on the way of a run that goes well: without it hardly any script would come far. */
const onward: Step = (scene, at) => {
  const { state } = scene;
  const run = holderOf(state);
  switch (state.phase) {
    case 'open':
    case 'quarantined':
      return;
    case 'shutting':
      return scene.take({ type: 'tell', notice: `n${at}`, sessions: 1, at });
    case 'closing':
      return scene.take({ type: 'end', at, giveUpAt: at + MINUTE_MS });
    case 'draining':
    case 'confirming':
      scene.endThoseWhoMustGo(at);
      return scene.count(at);
    case 'drained':
      if (state.reopenAt !== undefined) {
        return scene.take({ type: 'expire', at, overdueGraceMs: GRACE, leaseWatched: true });
      }
      return run && scene.take({ type: 'note-backup', run: run.run, at, giveUpAt: at + MINUTE_MS });
    case 'confirmed':
      return run && scene.take(updated(run, at));
    case 'reopening': {
      const [host = '', start] = Object.entries(state.firstStarts).find(([, s]) => s.state === 'waiting') ?? [];
      return scene.take({
        type: 'prove-first-start',
        host,
        code: start?.code ?? '',
        version: start?.version ?? '',
        at,
      });
    }
    default:
      return assertNever(state);
  }
};

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: told },
  { weight: 2, arbitrary: users },
  { weight: 2, arbitrary: counted },
  { weight: 12, arbitrary: fc.constant(onward) },
);

const pauses = fc.oneof(
  { weight: 8, arbitrary: fc.nat(MINUTE_MS) },
  { weight: 4, arbitrary: fc.constant(REACTION) },
  { weight: 1, arbitrary: fc.constant(HOUR_MS) },
);
export const script = fc.array(fc.record({ step: anyStep, pauseMs: pauses }), { maxLength: 60, size: 'max' });
