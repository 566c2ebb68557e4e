import { failure, HOUR_MS, isRejected, MINUTE_MS, run as runDecider, type RunSpec } from '@lastcall/kernel';
import fc from 'fast-check';
import { refusalFor } from './admission.js';
import { gate, gateDueAt } from './gate.js';
import { hasAlarm, isOver, type GateCommand, type GateEvent, type GateState } from './gate-state.js';

/*
 * Anything in any order, twice and late: invariants 5, 6 and 7 of the design hold.
 */

const T0 = 1_000_000;
const REACTION = 5 * MINUTE_MS;
const GRACE = 10 * MINUTE_MS;
const WHY = failure('BROKEN', 'It broke.');

function spec(n: number): RunSpec {
  return {
    run: `r${n}`,
    installation: 'i',
    job: 'j',
    type: 'software-update',
    kind: 'multi-user',
    product: 'encore',
    fromVersion: '1.0.0',
    toVersion: '2.0.0',
    hosts: [
      { host: 'srv', role: 'server', mayFollowLater: false },
      { host: 'ts1', role: 'terminal-server', mayFollowLater: false },
      { host: 'ts2', role: 'terminal-server', mayFollowLater: false },
    ],
    reactionTimeMs: REACTION,
    message: '',
    backupMode: 'take',
    backupMaxAgeMs: HOUR_MS,
    fence: n,
    nominalAt: T0,
    startedAt: T0,
    deadlineAt: T0 + 2 * HOUR_MS,
    requestedBy: 'operator',
    timeZone: 'UTC',
    holdsAllowed: n % 2 === 0,
  };
}

type Make = (at: number) => GateCommand;
const runs = [1, 2, 3].map(spec);
const anyRun = fc.constantFrom(...runs);
const anyHost = fc.constantFrom('ts1', 'ts2');

const counts = { acknowledged: 0, left: 0, ended: 0 };
const made: fc.Arbitrary<Make> = fc.oneof(
  { weight: 4, arbitrary: anyRun.map((run): Make => (at) => ({ type: 'shut', run, at })) },
  {
    weight: 4,
    arbitrary: fc.nat(3).map((sessions): Make => (at) => ({ type: 'tell', notice: `n${at}`, sessions, at })),
  },
  { weight: 4, arbitrary: fc.constant<Make>((at) => ({ type: 'end', at, giveUpAt: at + MINUTE_MS })) },
  {
    weight: 6,
    arbitrary: fc
      .record({ epoch: fc.integer({ min: 1, max: 3 }), sessions: fc.nat(1) })
      .map(({ epoch, sessions }): Make => (at) => ({ type: 'prove', epoch, sessions, counts, at })),
  },
  {
    weight: 3,
    arbitrary: anyRun.map(({ run }): Make => (at) => ({ type: 'note-backup', run, at, giveUpAt: at + MINUTE_MS })),
  },
  fc
    .record({
      run: anyRun,
      after: fc.constantFrom('preflight' as const, 'staging' as const, 'backup' as const, 'cancel' as const),
    })
    .map(({ run, after }): Make => (at) => ({ type: 'fail', run, after, outcome: 'failed', failure: WHY, at })),
  anyRun.map((run): Make => (at) => ({ type: 'roll-back', run, failure: WHY, at })),
  anyRun.map((run): Make => (at) => ({ type: 'quarantine', run, failure: WHY, at })),
  {
    weight: 3,
    arbitrary: anyRun.map((run): Make => (at) => ({
      type: 'update',
      run,
      absentHosts: [],
      codes: { ts1: `${run.run}-ts1`, ts2: `${run.run}-ts2` },
      giveUpAt: at + MINUTE_MS,
      at,
    })),
  },
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
  fc.constant<Make>((at) => ({ type: 'expire', at, overdueGraceMs: GRACE })),
  fc.constant<Make>((at) => ({ type: 'open-by-hand', who: 'otto', reason: 'x', at })),
  fc.constant<Make>((at) => ({ type: 'shut-by-hand', who: 'otto', reason: 'x', reactionTimeMs: REACTION, at })),
  fc.nat(3).map((n): Make => (at) => ({
    type: 'hold',
    hold: `h${n}`,
    session: `s${n}`,
    user: 'ann',
    reason: 'x',
    durationMs: HOUR_MS,
    notice: `m${at}`,
    at,
  })),
  fc.nat(3).map((n): Make => (at) => ({ type: 'release-hold', hold: `h${n}`, notice: `m${at}`, at })),
  fc.constantFrom('', '1.0.0', '2.0.0').map((version): Make => () => ({ type: 'learn-version', version })),
);

const pauses = fc.oneof(fc.nat(MINUTE_MS), fc.constantFrom(0, REACTION, HOUR_MS));
const script = fc.array(fc.record({ make: made, pauseMs: pauses }), { maxLength: 60 });

/** Watches the events of one gate and fails as soon as an invariant does not hold. */
class Witness {
  state: GateState = gate.initial;
  readonly answers = new Map<string, number>();
  private toldAt: number | undefined;
  private drainedEpoch = 0;

  take(command: GateCommand): readonly GateEvent[] {
    const before = this.state;
    const decision = runDecider(gate, before, command);
    if (isRejected(decision)) return [];
    for (const event of decision.events) this.see(event, command);
    this.state = decision.state;
    if (command.type === 'shut' && isOver(before, command.run.run)) expect(decision.events).toEqual([]);
    this.checkDoor();
    // Once more changes nothing, except that time is asked anew.
    const again = runDecider(gate, this.state, command);
    const repeatable = command.type === 'open-by-hand' || command.type === 'hold' || command.type === 'release-hold';
    if (!isRejected(again) && !repeatable && command.type !== 'shut') {
      expect(again.events.filter(({ type }) => type === 'answered')).toEqual([]);
    }
    return decision.events;
  }

  private see(event: GateEvent, command: GateCommand): void {
    switch (event.type) {
      case 'shut':
        expect(event.epoch).toBe(this.state.epoch + 1);
        this.toldAt = undefined;
        break;
      case 'told':
        this.toldAt = event.notice.sentAt;
        expect(event.notice.deadlineAt).toBe(event.notice.sentAt + REACTION);
        break;
      case 'ending-begun':
        // 5: a notice and the full reaction time.
        expect(this.toldAt).toBeDefined();
        expect(event.at - (this.toldAt ?? event.at)).toBeGreaterThanOrEqual(REACTION);
        break;
      case 'drained':
      case 'confirmed':
        // 6: nobody inside, in this epoch; and twice before the install.
        expect(command).toMatchObject({ type: 'prove', sessions: 0, epoch: this.state.epoch });
        if (event.type === 'drained') this.drainedEpoch = this.state.epoch;
        else expect(this.drainedEpoch).toBe(this.state.epoch);
        break;
      case 'answered': {
        const { run } = event.answer.run;
        this.answers.set(run, (this.answers.get(run) ?? 0) + 1);
        // 7: exactly one answer.
        expect(this.answers.get(run)).toBe(1);
        break;
      }
      default:
        break;
    }
  }

  /** 6: nobody in while it is shut, and nobody on a host that waits for its first start. */
  private checkDoor(): void {
    const shut = this.state.phase !== 'open' && this.state.phase !== 'reopening';
    for (const host of ['', 'srv', 'ts1', 'ts2']) {
      const version = this.state.version || '1.0.0';
      const letIn = refusalFor(this.state, { host, version }, 'UTC') === undefined;
      const start = this.state.firstStarts[host];
      expect(letIn).toBe(!shut && (start === undefined || start.state === 'proven'));
    }
  }
}

/** What the keeper does with an empty installation, until nothing is due any more. */
function settle(witness: Witness, from: number): void {
  let at = from;
  for (let i = 0; i < 50; i++) {
    const { state } = witness;
    const dueAt = gateDueAt(state, GRACE);
    if (dueAt === undefined) return;
    at = Math.max(at, dueAt);
    witness.take({ type: 'tell', notice: `n${at}.${i}`, sessions: 0, at });
    witness.take({ type: 'end', at, giveUpAt: at + MINUTE_MS });
    witness.take({ type: 'prove', epoch: witness.state.epoch, sessions: 0, counts, at });
    witness.take({ type: 'expire', at, overdueGraceMs: GRACE });
  }
  throw new Error(`the gate does not come to rest: ${witness.state.phase}`);
}

describe('the gate under any order', () => {
  it('ends nobody early, lets nobody in while it is shut, answers each run once, and comes to rest', () => {
    fc.assert(
      fc.property(script, (steps) => {
        const witness = new Witness();
        const ended = new Set<string>();
        let at = T0;
        for (const { make, pauseMs } of steps) {
          at += pauseMs;
          const command = make(at);
          witness.take(command);
          if ('run' in command && typeof command.run === 'object' && command.type !== 'shut')
            ended.add(command.run.run);
        }
        settle(witness, at);
        const { state } = witness;
        // 7: open, or a person knows.
        expect(state.phase === 'open' || hasAlarm(state) || state.hand !== undefined).toBe(true);
        // Every end that was heard of is answered, unless the install may still be running.
        for (const run of ended) {
          const running = state.phase === 'confirmed' && state.cause.by === 'run' && state.cause.run.run === run;
          if (!running) expect(witness.answers.get(run)).toBe(1);
        }
      }),
      { numRuns: 1_500 },
    );
  });
});
