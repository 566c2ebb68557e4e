import { DAY_MS, HOUR_MS, isRejected, MINUTE_MS, run as runDecider } from '@lastcall/kernel';
import {
  isForgotten,
  noPlan,
  PLAN_KEPT_MS,
  planDueAt,
  planner,
  type PlanCommand,
  type PlanEnd,
  type PlanEvent,
  type PlannedRun,
  type PlanState,
} from './plan.js';

const NOW = Date.UTC(2026, 10, 27, 12);
const BEFORE = [DAY_MS, HOUR_MS, 15 * MINUTE_MS, 5 * MINUTE_MS];
const run: PlannedRun = { startAt: NOW + 2 * DAY_MS, product: 'Encore', version: '11.1.0', message: '' };

const at = (time: number, beforeMs = BEFORE) => ({ beforeMs, notice: `n-${time - NOW}`, at: time });
const plan = (time: number, more: Partial<PlannedRun> = {}, beforeMs = BEFORE): PlanCommand => ({
  type: 'plan',
  run: { ...run, ...more },
  ...at(time, beforeMs),
});
const announce = (time: number, beforeMs = BEFORE): PlanCommand => ({ type: 'announce', ...at(time, beforeMs) });
const end = (time: number, how: PlanEnd, beforeMs = BEFORE, settleMs = 0): PlanCommand => ({
  type: 'end',
  end: how,
  settleMs,
  ...at(time, beforeMs),
});
const said = (notice: string): PlanCommand => ({ type: 'note-said', notice });

function given(...commands: PlanCommand[]): { state: PlanState; events: readonly PlanEvent[] } {
  let state = noPlan;
  let events: readonly PlanEvent[] = [];
  for (const command of commands) {
    const decision = runDecider(planner, state, command);
    if (isRejected(decision)) throw new Error('a plan refuses nothing');
    ({ state, events } = decision);
  }
  return { state, events };
}

/** What the last of these commands tells the users. */
function told(...commands: PlanCommand[]): string | undefined {
  const notice = given(...commands).events.flatMap((event) => ('notice' in event ? [event.notice] : []))[0];
  return notice && `${notice.kind} at ${notice.sentAt - NOW}`;
}

const start = run.startAt;

describe('a plan', () => {
  it('is announced at each of the times before it, once', () => {
    expect(told(plan(NOW))).toBeUndefined();
    expect(told(plan(NOW), announce(start - DAY_MS - 1))).toBeUndefined();
    const commands = [plan(NOW)];
    for (const before of BEFORE) {
      commands.push(announce(start - before));
      expect(told(...commands)).toBe(`announcement at ${start - before - NOW}`);
      commands.push(announce(start - before + 1));
      expect(told(...commands)).toBeUndefined();
    }
    expect(told(...commands, announce(start - 1))).toBeUndefined();
  });

  it('is due when the next of these times comes, and in the end when it is forgotten', () => {
    const commands = [plan(NOW)];
    for (const before of BEFORE) {
      const { state } = given(...commands);
      expect(planDueAt(state, BEFORE, NOW)).toBe(start - before);
      commands.push(announce(start - before), said(`n-${start - before - NOW}`));
    }
    expect(planDueAt(given(...commands).state, BEFORE, NOW)).toBe(start + PLAN_KEPT_MS);
    expect(isForgotten(given(...commands).state, start + PLAN_KEPT_MS - 1)).toBe(false);
    expect(isForgotten(given(...commands).state, start + PLAN_KEPT_MS)).toBe(true);
  });

  it('is announced at once, and only once, when some of these times have passed', () => {
    const first = plan(start - 30 * MINUTE_MS);
    expect(told(first)).toBe(`announcement at ${start - 30 * MINUTE_MS - NOW}`);
    const { state } = given(first, said(`n-${start - 30 * MINUTE_MS - NOW}`));
    expect(planDueAt(state, BEFORE, NOW)).toBe(start - 15 * MINUTE_MS);
  });

  it('is not announced when the run is due, or when nobody was there for all of its times', () => {
    expect(told(plan(start))).toBeUndefined();
    expect(told(plan(start + 1))).toBeUndefined();
    expect(told(plan(NOW), announce(start))).toBeUndefined();
    expect(planDueAt(given(plan(NOW)).state, BEFORE, start)).toBe(start + PLAN_KEPT_MS);
  });

  it('says with the announcement what the job says, and what is planned', () => {
    const { events } = given(plan(NOW, { message: 'Close the month before.' }), announce(start - HOUR_MS));
    expect(events).toMatchObject([
      {
        doneBeforeMs: HOUR_MS,
        notice: { kind: 'announcement', text: 'Close the month before.', startAt: start, product: 'Encore' },
      },
    ]);
  });

  it('is moved for those who had heard of it', () => {
    const later = { startAt: start + 3 * DAY_MS };
    expect(told(plan(NOW), plan(NOW + 1, later))).toBeUndefined();
    const heard = [plan(NOW), announce(start - HOUR_MS)];
    expect(told(...heard, plan(start - HOUR_MS + 1, later))).toBe(`moved at ${start - HOUR_MS + 1 - NOW}`);
    // All of its times come anew.
    const { state } = given(...heard, plan(start - HOUR_MS + 1, later), said(`n-${start - HOUR_MS + 1 - NOW}`));
    expect(planDueAt(state, BEFORE, NOW)).toBe(later.startAt - DAY_MS);
  });

  it('is told of once when it is moved to where times have passed already', () => {
    const sooner = { startAt: start - 23 * HOUR_MS };
    const commands = [plan(NOW), announce(start - DAY_MS), plan(start - DAY_MS + 1, sooner)];
    expect(told(...commands)).toBe(`moved at ${start - DAY_MS + 1 - NOW}`);
    expect(told(...commands, announce(start - DAY_MS + 2))).toBeUndefined();
    expect(told(...commands, announce(sooner.startAt - 15 * MINUTE_MS))).toContain('announcement');
  });

  it('is not moved by a repetition or by other words', () => {
    const heard = [plan(NOW), announce(start - DAY_MS)];
    expect(given(...heard, plan(start - DAY_MS + 1)).events).toEqual([]);
    expect(told(...heard, plan(start - DAY_MS + 1, { version: '11.1.1', message: 'x' }))).toBeUndefined();
    const { events } = given(...heard, plan(start - DAY_MS + 1, { version: '11.1.1' }), announce(start - HOUR_MS));
    expect(events).toMatchObject([{ notice: { version: '11.1.1' } }]);
  });

  it('is cancelled for those who had heard of it, without the words of the job', () => {
    expect(told(plan(NOW), end(NOW + 1, 'cancelled'))).toBeUndefined();
    const heard = [plan(NOW, { message: 'Close the month before.' }), announce(start - DAY_MS)];
    const { events } = given(...heard, end(start - DAY_MS + 1, 'cancelled'));
    expect(events).toMatchObject([{ type: 'lapsed' }, { notice: { kind: 'cancelled', text: '', startAt: start } }]);
    expect(told(...heard, end(start - DAY_MS + 1, 'cancelled'), end(start - DAY_MS + 2, 'cancelled'))).toBeUndefined();
  });

  it('that is changed is not cancelled: it moves, or nothing is said', () => {
    const off = start - 2 * HOUR_MS;
    const heard = [plan(NOW), announce(start - DAY_MS), end(off, 'cancelled', BEFORE, MINUTE_MS)];
    expect(told(...heard)).toBeUndefined();
    expect(planDueAt(given(...heard).state, BEFORE, off)).toBe(off + MINUTE_MS);
    expect(told(...heard, announce(off + MINUTE_MS - 1))).toBeUndefined();
    expect(told(...heard, announce(off + MINUTE_MS))).toBe(`cancelled at ${off + MINUTE_MS - NOW}`);
    expect(told(...heard, announce(off + MINUTE_MS), announce(off + MINUTE_MS + 1))).toBeUndefined();
    expect(told(...heard, plan(off + 1, { startAt: start + HOUR_MS }))).toBe(`moved at ${off + 1 - NOW}`);
    const back = [...heard, plan(off + 1, { message: 'New words.' })];
    expect(told(...back)).toBeUndefined();
    expect(planDueAt(given(...back).state, BEFORE, off + 1)).toBe(start - HOUR_MS);
    expect(told(...back, announce(off + MINUTE_MS))).toBeUndefined();
    expect(told(...back, announce(start - HOUR_MS))).toContain('announcement');
    // Long after it was told, it is a new one.
    expect(told(...heard, announce(off + MINUTE_MS), plan(off + HOUR_MS))).toContain('announcement');
    expect(given(...heard, announce(off + MINUTE_MS, [])).state).toEqual({ phase: 'none', endedAt: off });
  });

  it('that is cancelled close to its time is told of before that', () => {
    const off = start - 10_000;
    const heard = [plan(NOW), announce(start - DAY_MS), end(off, 'cancelled', BEFORE, MINUTE_MS)];
    expect(planDueAt(given(...heard).state, BEFORE, off)).toBe(start);
    const late = [plan(NOW), announce(start - DAY_MS), end(start + 1, 'cancelled', BEFORE, MINUTE_MS)];
    expect(told(...late)).toBe(`cancelled at ${start + 1 - NOW}`);
  });

  it.each(['started', 'postponed'] as const)('says nothing when it has %s, and is a new one after that', (how) => {
    const heard = [plan(NOW), announce(start - 5 * MINUTE_MS), end(start, how)];
    expect(told(...heard)).toBeUndefined();
    expect(given(...heard).state).toEqual({ phase: 'none', endedAt: start });
    expect(told(...heard, announce(start + 1))).toBeUndefined();
    expect(told(...heard, plan(start + 2, { startAt: start + 2 * DAY_MS }))).toBeUndefined();
    expect(told(...heard, plan(start + 2, { startAt: start + HOUR_MS }))).toContain('announcement');
  });

  it('is not told of at all where nobody wants it', () => {
    expect(told(plan(NOW, {}, []), announce(start - 1, []))).toBeUndefined();
    const heard = [plan(NOW), announce(start - DAY_MS)];
    expect(told(...heard, plan(start - HOUR_MS, { startAt: start + DAY_MS }, []))).toBeUndefined();
    expect(told(...heard, end(start - HOUR_MS, 'cancelled', []))).toBeUndefined();
  });

  it('follows the settings when they change', () => {
    const { state } = given(plan(NOW), announce(start - HOUR_MS), said(`n-${start - HOUR_MS - NOW}`));
    expect(planDueAt(state, [2 * HOUR_MS, 30 * MINUTE_MS], NOW)).toBe(start - 30 * MINUTE_MS);
    expect(planDueAt(state, [], NOW)).toBe(start + PLAN_KEPT_MS);
  });

  it('is due at once while something is to be said, and keeps it until it was said', () => {
    const { state } = given(plan(NOW), announce(start - DAY_MS));
    expect(planDueAt(state, BEFORE, NOW)).toBe(start - DAY_MS);
    expect(given(plan(NOW), announce(start - DAY_MS), said('another')).state.saying).toBeDefined();
    expect(given(plan(NOW), announce(start - DAY_MS), said(`n-${start - DAY_MS - NOW}`)).state.saying).toBeUndefined();
  });

  it('does not say any more what is overtaken', () => {
    const heard = [plan(NOW), announce(start - DAY_MS)];
    expect(given(...heard, end(start - 1, 'started')).state.saying).toBeUndefined();
    expect(given(...heard, plan(start - 1, { startAt: start - 2 })).state.saying).toBeUndefined();
    const cancelled = [
      ...heard,
      end(start - HOUR_MS, 'cancelled'),
      plan(start - HOUR_MS + 1, { startAt: start + DAY_MS }),
    ];
    expect(given(...cancelled).state.saying?.kind).toBe('cancelled');
  });
});

describe('a maintenance window', () => {
  const window = (isMaintenance: true | undefined = true) =>
    plan(NOW + DAY_MS, { version: '', ...(isMaintenance && { isMaintenance }) });

  it('is announced as what it is', () =>
    expect(given(window()).events.at(-1)).toMatchObject({ type: 'announced', notice: { maintenance: {} } }));

  it('is another plan than an update at the same time', () => {
    expect(given(window(), window()).events).toEqual([]);
    const update = plan(NOW + DAY_MS, { version: '' });
    expect(given(window(), update).events[0]).toMatchObject({ type: 'planned', isMoved: false });
  });
});
