import { isRejected, run as runDecider } from '@lastcall/kernel';
import fc from 'fast-check';
import type { Notice } from './gate-state.js';
import { noPlan, planDueAt, planner, type PlanCommand, type PlanState } from './plan.js';

/*
 * Plans that come, move and end in any order, repeated, with settings that change and a duty that comes late or not at all.
 */

const action = fc.oneof(
  fc.record({ do: fc.constant('plan' as const), startIn: fc.integer({ min: -20, max: 200 }), version: fc.nat(1) }),
  fc.record({
    do: fc.constant('end' as const),
    how: fc.constantFrom('cancelled', 'started', 'postponed'),
    settleMs: fc.constantFrom(0, 30),
  }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 120 }), awake: fc.boolean() }),
  fc.record({ do: fc.constant('settings' as const), beforeMs: fc.subarray([100, 40, 20, 5]) }),
  fc.record({ do: fc.constant('repeat' as const) }),
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

/** The world: a clock, the plan, what the users have heard. */
class World {
  now = 1_000;
  beforeMs: readonly number[] = [100, 40, 20, 5];
  state: PlanState = noPlan;
  readonly heard: Notice[] = [];
  private last: PlanCommand | undefined;
  private notices = 0;
  /** The times before the run that stands which have been told, since it was given this time. */
  private readonly announced = new Map<number, number>();

  do(step: Action): void {
    const before = { beforeMs: this.beforeMs, at: this.now };
    switch (step.do) {
      case 'plan': {
        const run = { startAt: this.now + step.startIn, product: 'p', version: String(step.version), message: '' };
        return this.give({ type: 'plan', run, notice: this.id(), ...before });
      }
      case 'end':
        return this.give({ type: 'end', end: step.how, settleMs: step.settleMs, notice: this.id(), ...before });
      case 'settings':
        this.beforeMs = step.beforeMs;
        return;
      case 'repeat':
        if (this.last && 'at' in this.last) this.give({ ...this.last, ...before, notice: this.id() });
        return;
      case 'wait':
        return this.wait(step.ms, step.awake);
    }
  }

  private id(): string {
    return `n${this.notices++}`;
  }

  /** Awake: the duty comes whenever the plan is due. */
  private wait(ms: number, awake: boolean): void {
    const until = this.now + ms;
    while (awake) {
      const dueAt = planDueAt(this.state, this.beforeMs, this.now);
      if (dueAt > until) break;
      // What is due comes to an end: the duty would spin otherwise.
      expect(dueAt > this.now || this.look()).toBe(true);
      this.now = Math.max(this.now, dueAt);
      this.look();
    }
    this.now = until;
  }

  /** What the duty does. Answers whether it changed anything. */
  private look(): boolean {
    const before = this.state;
    this.give({ type: 'announce', beforeMs: this.beforeMs, at: this.now, notice: this.id() });
    const { saying } = this.state;
    if (saying) {
      this.heard.push(saying);
      this.give({ type: 'note-said', notice: saying.id });
    }
    return this.state !== before;
  }

  private give(command: PlanCommand): void {
    if (command.type === 'plan' || command.type === 'end') this.last = command;
    const before = this.state;
    const decision = runDecider(planner, before, command);
    if (isRejected(decision)) throw new Error('a plan refuses nothing');
    this.state = decision.state;
    for (const event of decision.events) {
      if (event.type === 'planned' && event.isMoved) this.announced.clear();
      if (event.type === 'ended' || event.type === 'told-cancelled') this.announced.clear();
      if ('notice' in event) this.checkNotice(before, event.notice, command);
    }
  }

  private checkNotice(before: PlanState, notice: Notice, command: PlanCommand): void {
    if (!('beforeMs' in command)) throw new Error('only what knows the settings tells anybody');
    expect(command.beforeMs).not.toEqual([]);
    switch (notice.kind) {
      case 'announcement':
      case 'moved': {
        const { state } = this;
        if (state.phase !== 'planned') throw new Error('nothing is planned');
        expect(notice).toMatchObject({ startAt: state.run.startAt, version: state.run.version });
        expect(command.at).toBeLessThan(state.run.startAt);
        if (notice.kind === 'moved') expect(isKnown(before)).toBe(true);
        const key = state.doneBeforeMs ?? Infinity;
        // Each time once, and ever closer to the run.
        if (notice.kind === 'announcement') {
          expect(this.announced.size === 0 || Math.min(...this.announced.keys()) > key).toBe(true);
          expect(command.at).toBeGreaterThanOrEqual(state.run.startAt - key);
        }
        this.announced.set(key, command.at);
        return;
      }
      case 'cancelled':
        expect(isKnown(before)).toBe(true);
        if (command.type === 'announce') expect(command.at).toBeGreaterThanOrEqual(planDueAt(before, [], this.now));
        return;
      default:
        throw new Error(`a plan does not say ${notice.kind}`);
    }
  }
}

/** Whether users have heard of it, and not that it is off. */
function isKnown(state: PlanState): boolean {
  return state.phase === 'planned' ? state.announced : state.lapsed !== undefined;
}

it('keeps what it promises, whatever comes in whatever order', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const step of steps) world.do(step);
      // Nothing is heard twice.
      const ids = world.heard.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }),
    { numRuns: 2_000 },
  );
});

it('announces all of the times when the duty is there', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (startIn) => {
      const world = new World();
      world.do({ do: 'plan', startIn, version: 0 });
      world.do({ do: 'wait', ms: startIn + 1, awake: true });
      const later = [100, 40, 20, 5].filter((before) => before < startIn).length;
      const atOnce = startIn <= 100 ? 1 : 0;
      expect(world.heard).toHaveLength(later + atOnce);
    }),
  );
});
