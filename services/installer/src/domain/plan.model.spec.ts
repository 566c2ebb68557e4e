import { isRejected, failure, type RunSpec } from '@lastcall/kernel';
import fc from 'fast-check';
import { plan } from './plan.js';
import {
  orderOf,
  type FinishedOrder,
  type PlanCommand,
  type PlanEvent,
  type PlanPolicy,
  type PlanState,
} from './plan-state.js';

/*
 * Any order of everything that can reach a plan, duplicates included, with hosts that work on their orders one after the
 * other, fail, stay silent, and answer late or twice.
 */

const RUN: RunSpec = {
  run: 'r-1',
  installation: 'berlin',
  job: '',
  type: 'software-update',
  kind: 'multi-user',
  product: 'encore',
  fromVersion: '1.0.0',
  toVersion: '2.0.0',
  hosts: [
    { host: 'srv', role: 'server', mayFollowLater: false },
    { host: 'ts', role: 'terminal-server', mayFollowLater: false },
    { host: 'ts2', role: 'terminal-server', mayFollowLater: false },
    { host: 'ws', role: 'workstation', mayFollowLater: true },
  ],
  reactionTimeMs: 0,
  message: '',
  backupMode: 'take',
  backupMaxAgeMs: 0,
  fence: 3,
  nominalAt: 0,
  startedAt: 0,
  deadlineAt: 10,
  requestedBy: '',
  timeZone: 'UTC',
  holdsAllowed: false,
  whatsNew: '',
};

const NAMES = RUN.hosts.map((h) => h.host);
const DATA_HOST = 'srv';
const POLICIES: readonly PlanPolicy[] = [
  { settleMs: 0, parallelHosts: 10 },
  { settleMs: 60_000, parallelHosts: 10 },
  { settleMs: 60_000, parallelHosts: 1 },
  { settleMs: 0, parallelHosts: 1 },
];

interface SimulatedHost {
  version: string;
  /** Whether the application runs. */
  runs: boolean;
  readonly orders: { order: string; step: string }[];
}

/** A plan, its hosts, and every answer that a host has ever given. */
class Site {
  state: PlanState = plan.initial;
  readonly said: PlanEvent[] = [];
  readonly answers: FinishedOrder[] = [];
  readonly hosts = new Map(
    NAMES.map((name): [string, SimulatedHost] => [name, { version: '1.0.0', runs: true, orders: [] }]),
  );
  /** A host that was believed to have stopped and had not, or that fell silent: whoever meets it is a person's work. */
  readonly doubtful = new Set<string>();

  constructor(readonly policy: PlanPolicy) {}

  begin(absentHosts: readonly string[]): void {
    this.send({ type: 'begin', run: RUN, absentHosts, policy: this.policy, at: 1 });
  }

  send(command: PlanCommand): void {
    const events = plan.decide(this.state, command);
    if (isRejected(events)) {
      // A person asks whatever a person asks; nobody else is ever refused.
      if (command.type !== 'release') throw new Error(events.message);
      return;
    }
    for (const event of events) {
      this.state = plan.evolve(this.state, event);
      this.said.push(event);
      if (event.type === 'ordered') this.ordered(event.host, event.step, event.order);
    }
  }

  /** What must hold at the moment at which an order is given. */
  private ordered(name: string, step: string, order: string): void {
    this.hosts.get(name)?.orders.push({ order, step });
    const tasks = this.state.phase === 'none' ? {} : this.state.tasks;
    const others = NAMES.filter((n) => n !== DATA_HOST).map((n) => tasks[n]?.state);
    expect(others.filter((s) => s === 'installing').length).toBeLessThanOrEqual(this.policy.parallelHosts);
    expect(others.filter((s) => s === 'rolling-back').length).toBeLessThanOrEqual(this.policy.parallelHosts);
    if (step === 'install' && name !== DATA_HOST) {
      expect(['settling', 'updated']).toContain(tasks[DATA_HOST]?.state);
    }
    if (step !== 'roll-back') return;
    if (name === DATA_HOST) {
      const running = NAMES.filter(
        (n) => n !== name && !this.doubtful.has(n) && this.hosts.get(n)?.version === '2.0.0',
      );
      expect(running.filter((n) => this.hosts.get(n)?.runs)).toEqual([]);
    } else expect(['rolled-back', 'quarantined']).toContain(tasks[DATA_HOST]?.state);
  }

  /** The host does its next order; the answer is on its way. A failed order leaves the version as it was, or changed. */
  work(name: string, outcome: 'done' | 'failed' | 'failed-late'): void {
    const host = this.hosts.get(name);
    const next = host?.orders.shift();
    if (!host || !next) return;
    if (outcome !== 'done' && next.step === 'stop') this.doubtful.add(name);
    if (outcome !== 'failed') this.change(host, next.step);
    this.answers.push({
      ...{ host: name, order: next.order, installedVersion: host.version, dataChanged: false, at: 1 },
      ...(outcome !== 'done' && { failure: failure('BROKEN', 'it broke', name) }),
    });
  }

  private change(host: SimulatedHost, step: string): void {
    if (step === 'install') host.version = '2.0.0';
    if (step === 'stop' || step === 'roll-back') host.version = '1.0.0';
    host.runs = step !== 'stop';
  }

  expire(): void {
    for (const name of NAMES) if (this.state.phase === 'rolling-back') this.doubtful.add(name);
    this.send({ type: 'expire', at: 1 });
  }

  deliver(which: number): void {
    const answer = this.answers[which % Math.max(1, this.answers.length)];
    if (answer) this.send({ type: 'finish-order', ...answer });
  }

  count(type: PlanEvent['type']): number {
    return this.said.filter((e) => e.type === type).length;
  }
}

type Move = (site: Site) => void;

function heardAtOnce(name: string): Move {
  return (site) => {
    site.work(name, 'done');
    site.deliver(site.answers.length - 1);
  };
}

const host = fc.constantFrom(...NAMES);
const moves: fc.Arbitrary<Move>[] = [
  fc.constant((s) => s.begin([])),
  fc.constant((s) => s.begin(['ws'])),
  fc.constant((s) => s.send({ type: 'confirm-drain', at: 1 })),
  fc.constant((s) => s.send({ type: 'note-backup', restorePoint: 'rp', at: 1 })),
  fc.constant((s) => s.expire()),
  fc.constant((s) => s.send({ type: 'abandon', failure: failure('BACKUP_FAILED', 'no backup') })),
  fc.constant((s) => s.send({ type: 'cancel', run: RUN, requestedBy: 'a', reason: '', expired: false })),
  fc.record({ host, outcome: fc.constantFrom('done', 'done', 'done', 'failed', 'failed-late') }).map(
    ({ host, outcome }): Move =>
      (s) =>
        s.work(host, outcome),
  ),
  fc.nat(30).map(
    (n): Move =>
      (s) =>
        s.deliver(n),
  ),
  fc.record({ host, data: fc.constantFrom('restore' as const, 'keep' as const, undefined) }).map(
    ({ host, data }): Move =>
      (s) =>
        s.send({ type: 'release', host, at: 1, ...(data && { data }) }),
  ),
  // What makes the happy path likely: a host works and is heard at once.
  host.map(heardAtOnce),
];

const weights = [6, 2, 4, 4, 1, 1, 1, 6, 4, 2, 12];
const anything = fc.array(fc.oneof(...moves.map((arbitrary, i) => ({ arbitrary, weight: weights[i] ?? 1 }))), {
  minLength: 10,
  maxLength: 60,
});

/** Or most runs would end before they install. */
const intoTheInstall: Move[] = [
  (s) => s.begin([]),
  ...NAMES.map(heardAtOnce),
  (s) => s.send({ type: 'note-backup', restorePoint: 'rp', at: 1 }),
  (s) => s.send({ type: 'confirm-drain', at: 1 }),
];
const script = fc.record({
  policy: fc.constantFrom(...POLICIES),
  moves: fc
    .tuple(fc.constantFrom([], intoTheInstall), anything)
    .map(([preface, rest]): Move[] => [...preface, ...rest]),
});

function play({ policy, moves: run }: { policy: PlanPolicy; moves: readonly Move[] }): Site {
  const site = new Site(policy);
  for (const move of run) move(site);
  return site;
}

const ENDED: readonly PlanState['phase'][] = ['updated', 'rolled-back', 'quarantined', 'cancelled'];

describe('any order of commands', () => {
  it('starts at most one install, and never one that was cancelled', () =>
    fc.assert(
      fc.property(script, (run) => {
        const site = play(run);
        expect(site.count('install-started') + site.count('cancelled')).toBeLessThanOrEqual(1);
        expect(site.count('staged')).toBeLessThanOrEqual(1);
        expect(
          ['updated', 'rolled-back', 'quarantined'].map((t) => site.count(t as 'updated')).reduce((a, b) => a + b),
        ).toBeLessThanOrEqual(1);
      }),
    ));

  it('answers a request to cancel with exactly one of cancelled and install started', () =>
    fc.assert(
      fc.property(script, (run) => {
        const site = play(run);
        site.send({ type: 'cancel', run: RUN, requestedBy: 'a', reason: '', expired: false });
        expect(site.count('install-started') + site.count('cancelled')).toBe(1);
      }),
    ));

  it('has an outcome when time passes, and none is half: all new, all old, or quarantined', () =>
    fc.assert(
      fc.property(script, (run) => {
        const site = play(run);
        for (let i = 0; i < 12; i++) site.expire();
        for (const released of site.said.filter((e) => e.type === 'host-released')) {
          expect(site.said.some((e) => e.type === 'host-quarantined' && e.host === released.host)).toBe(true);
        }
        expect(site.count('all-released')).toBeLessThanOrEqual(site.count('quarantined'));
        if (site.count('install-started') === 0) return;
        expect(ENDED).toContain(site.state.phase);
        const participants = NAMES.filter((n) => site.said.some((e) => e.type === 'host-staged' && e.host === n));
        const versions = participants.map((n) => site.hosts.get(n)?.version);
        if (site.state.phase === 'updated') {
          expect(versions.every((v) => v === '2.0.0')).toBe(true);
          const settled = site.said.filter((e) => e.type === 'ordered' && e.step === 'settle');
          expect(settled.length).toBe(site.policy.settleMs > 0 ? participants.length : 0);
        }
        if (site.state.phase === 'rolled-back') expect(versions.every((v) => v === '1.0.0')).toBe(true);
      }),
      { numRuns: 500 },
    ));

  it('keeps every order within the run and names the order that it waits for', () =>
    fc.assert(
      fc.property(script, (run) => {
        const { state, said } = play(run);
        const orders = said.flatMap((e) => (e.type === 'ordered' ? [e.order] : []));
        expect(new Set(orders).size).toBe(orders.length);
        if (state.phase === 'none') return;
        for (const task of Object.values(state.tasks)) {
          const order = orderOf(task);
          if (order !== undefined) expect(orders).toContain(order);
        }
      }),
    ));
});
