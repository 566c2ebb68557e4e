import { isRejected, failure, type RunSpec } from '@lastcall/kernel';
import fc from 'fast-check';
import { plan } from './plan.js';
import { orderOf, type FinishedOrder, type PlanCommand, type PlanEvent, type PlanState } from './plan-state.js';

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

interface SimulatedHost {
  version: string;
  readonly orders: { order: string; step: string }[];
}

/** A plan, its hosts, and every answer that a host has ever given. */
class Site {
  state: PlanState = plan.initial;
  readonly said: PlanEvent[] = [];
  readonly answers: FinishedOrder[] = [];
  readonly hosts = new Map<string, SimulatedHost>(NAMES.map((name) => [name, { version: '1.0.0', orders: [] }]));

  send(command: PlanCommand): void {
    const events = plan.decide(this.state, command);
    if (isRejected(events)) throw new Error(events.message);
    for (const event of events) {
      this.state = plan.evolve(this.state, event);
      this.said.push(event);
      if (event.type === 'ordered') this.hosts.get(event.host)?.orders.push({ order: event.order, step: event.step });
    }
  }

  /** The host does its next order; the answer is on its way. A failed order leaves the version as it was, or changed. */
  work(name: string, outcome: 'done' | 'failed' | 'failed-late'): void {
    const host = this.hosts.get(name);
    const next = host?.orders.shift();
    if (!host || !next) return;
    if (outcome !== 'failed' && next.step === 'install') host.version = '2.0.0';
    if (outcome !== 'failed' && next.step === 'roll-back') host.version = '1.0.0';
    this.answers.push({
      ...{ host: name, order: next.order, installedVersion: host.version, dataChanged: false, at: 1 },
      ...(outcome !== 'done' && { failure: failure('BROKEN', 'it broke', name) }),
    });
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
  fc.constant((s) => s.send({ type: 'begin', run: RUN, absentHosts: [], at: 1 })),
  fc.constant((s) => s.send({ type: 'begin', run: RUN, absentHosts: ['ws'], at: 1 })),
  fc.constant((s) => s.send({ type: 'confirm-drain', at: 1 })),
  fc.constant((s) => s.send({ type: 'note-backup', restorePoint: 'rp', at: 1 })),
  fc.constant((s) => s.send({ type: 'expire', at: 1 })),
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
  // What makes the happy path likely: a host works and is heard at once.
  host.map(heardAtOnce),
];

const weights = [6, 2, 4, 4, 1, 1, 1, 6, 4, 12];
const anything = fc.array(fc.oneof(...moves.map((arbitrary, i) => ({ arbitrary, weight: weights[i] ?? 1 }))), {
  minLength: 10,
  maxLength: 60,
});

/** Or most runs would end before they install. */
const intoTheInstall: Move[] = [
  (s) => s.send({ type: 'begin', run: RUN, absentHosts: [], at: 1 }),
  ...NAMES.map(heardAtOnce),
  (s) => s.send({ type: 'note-backup', restorePoint: 'rp', at: 1 }),
  (s) => s.send({ type: 'confirm-drain', at: 1 }),
];
const script = fc
  .tuple(fc.constantFrom([], intoTheInstall), anything)
  .map(([preface, rest]): Move[] => [...preface, ...rest]);

function play(run: readonly Move[]): Site {
  const site = new Site();
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
        for (let i = 0; i < 6; i++) site.send({ type: 'expire', at: 2 });
        if (site.count('install-started') === 0) return;
        expect(ENDED).toContain(site.state.phase);
        const participants = NAMES.filter((n) => site.said.some((e) => e.type === 'host-staged' && e.host === n));
        const versions = participants.map((n) => site.hosts.get(n)?.version);
        if (site.state.phase === 'updated') expect(versions.every((v) => v === '2.0.0')).toBe(true);
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
