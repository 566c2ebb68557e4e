import { DAY_MS, HOUR_MS, isRejected, run } from '@lastcall/kernel';
import fc from 'fast-check';
import {
  momentNow,
  nextMomentAt,
  rehearsal,
  type PlannedRun,
  type RehearsalCommand,
  type RehearsalState,
} from './rehearsal.js';

const BEFORE_MS = [DAY_MS, HOUR_MS];
const START = 3 * DAY_MS;

const plan = (at = 0, startAt = START, saidAt = at): RehearsalCommand => ({
  ...{ type: 'plan', run: { startAt, saidAt, requestedBy: 'anna' }, beforeMs: BEFORE_MS, at },
});
const end: RehearsalCommand = { type: 'end' };
const note = (at: number, saidAt = 0): RehearsalCommand => ({ type: 'note', saidAt, report: `p-${at}`, at });

function given(...commands: readonly RehearsalCommand[]): RehearsalState {
  return commands.reduce((state, command) => {
    const decision = run(rehearsal, state, command);
    if (isRejected(decision)) throw new Error(decision.message);
    return decision.state;
  }, rehearsal.initial);
}

const momentsOf = (state: RehearsalState) =>
  state.phase === 'planned' ? state.moments.map((m) => `${m.why}@${m.at}`) : [];

describe('rehearsals of a planned run', () => {
  it('are when it was enabled, a day and an hour before', () => {
    const state = given(plan());
    expect(momentsOf(state)).toEqual([
      'enabled@0',
      `before-start@${START - DAY_MS}`,
      `before-start@${START - HOUR_MS}`,
    ]);
    expect(momentNow(state, 0)).toEqual({ why: 'enabled', at: 0 });
    expect(nextMomentAt(given(plan(), note(0)))).toBe(START - DAY_MS);
  });
  it('leave out times that have passed', () => {
    expect(momentsOf(given(plan(START - 2 * HOUR_MS)))).toEqual([
      `enabled@${START - 2 * HOUR_MS}`,
      `before-start@${START - HOUR_MS}`,
    ]);
    expect(momentsOf(given(plan(START)))).toEqual([]);
  });
  it('are done once, by the newest, after a standstill', () => {
    const at = START - HOUR_MS / 2;
    expect(momentNow(given(plan()), at)).toEqual({ why: 'before-start', at: START - HOUR_MS });
    expect(momentsOf(given(plan(), note(at)))).toEqual([]);
  });
  it('are none after the start', () => expect(momentNow(given(plan()), START)).toBeUndefined());
  it('end with the job', () => {
    const state = given(plan(), note(0), end);
    expect(state).toEqual({ phase: 'none' });
    expect(momentNow(state, START - 1)).toBeUndefined();
  });
  it('are those of the new time when it was changed', () => {
    const state = given(plan(), note(0), end, plan(5, START + DAY_MS));
    expect(momentsOf(state)).toEqual([
      'enabled@5',
      `before-start@${START}`,
      `before-start@${START + DAY_MS - HOUR_MS}`,
    ]);
  });
  it('of a series that goes on are not made because it was enabled', () => {
    expect(momentsOf(given(plan(), plan(START, START + 7 * DAY_MS)))).toEqual([
      `before-start@${START + 6 * DAY_MS}`,
      `before-start@${START + 7 * DAY_MS - HOUR_MS}`,
    ]);
  });
  it('of a plan before do not count for this one', () => {
    const state = given(plan(), plan(7, START, 7));
    expect(given(plan(), plan(7, START, 7), note(8, 0))).toEqual(state);
    expect(given(plan(), plan(7, START, 7), { type: 'give-up', saidAt: 0 })).toEqual(state);
  });
  it('are given up when nothing can be rehearsed', () =>
    expect(momentsOf(given(plan(), { type: 'give-up', saidAt: 0 }))).toEqual([]));

  it('are each made at most once and only of the plan that stands, whatever comes', () => {
    const command = fc.oneof(
      fc.record({ ms: fc.integer({ min: 1, max: 2 * DAY_MS }) }).map(({ ms }) => ({ kind: 'wait', ms }) as const),
      fc.integer({ min: HOUR_MS, max: 4 * DAY_MS }).map((ms) => ({ kind: 'plan', ms }) as const),
      fc.constantFrom({ kind: 'end' } as const, { kind: 'look' } as const),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (steps) => {
        let now = 0;
        let state = rehearsal.initial;
        let standing: PlannedRun | undefined;
        const made = new Set<string>();
        const apply = (c: RehearsalCommand): void => {
          const decision = run(rehearsal, state, c);
          if (isRejected(decision)) throw new Error(decision.message);
          state = decision.state;
        };
        for (const step of steps) {
          if (step.kind === 'wait') now += step.ms;
          else if (step.kind === 'end') {
            apply(end);
            standing = undefined;
          } else if (step.kind === 'plan') {
            standing = { startAt: now + step.ms, saidAt: ++now, requestedBy: '' };
            apply({ type: 'plan', run: standing, beforeMs: BEFORE_MS, at: now });
          } else {
            const moment = momentNow(state, now);
            if (!moment) continue;
            expect(state).toMatchObject({ run: standing });
            expect(now).toBeLessThan(standing?.startAt ?? 0);
            const key = `${standing?.saidAt}/${moment.at}`;
            expect(made.has(key)).toBe(false);
            made.add(key);
            apply({ type: 'note', saidAt: standing?.saidAt ?? -1, report: 'p', at: now });
            expect(momentNow(state, now)).toBeUndefined();
          }
        }
      }),
    );
  });
});
