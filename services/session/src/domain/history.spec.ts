import { DAY_MS } from '@lastcall/kernel';
import fc from 'fast-check';
import {
  beginHistory,
  countedWeeks,
  countQuarter,
  isCountDue,
  nextQuarter,
  QUARTER_MS,
  QUARTERS_OF_WEEK,
  usageOf,
  WEEKS,
  type History,
} from './history.js';

const MONDAY = Date.parse('2026-11-23T00:00:00Z');
const WEEK_MS = 7 * DAY_MS;

/** In UTC, where the calendar is simple. */
function quarterAt(at: number) {
  const sinceMonday = at - MONDAY;
  const week = Math.floor(sinceMonday / WEEK_MS);
  const monday = new Date(MONDAY + week * WEEK_MS).toISOString().slice(0, 10);
  return { monday, slot: Math.floor((sinceMonday - week * WEEK_MS) / QUARTER_MS) };
}

const counted = (history: History, at: number, count: number | undefined, timeZone = 'UTC') =>
  countQuarter(history, { timeZone, quarter: quarterAt(at), count, now: at });
const fresh = beginHistory('berlin', 'UTC', MONDAY + 1);
const monday = '2026-11-23';

describe('a history', () => {
  it('is due at the next quarter hour', () => {
    expect(fresh.dueAt).toBe(MONDAY + QUARTER_MS);
    expect(isCountDue(fresh, MONDAY + QUARTER_MS - 1)).toBe(false);
    expect(isCountDue(fresh, MONDAY + QUARTER_MS)).toBe(true);
    expect(counted(fresh, MONDAY + QUARTER_MS, 3).dueAt).toBe(MONDAY + 2 * QUARTER_MS);
  });
  it('is due too when the clock was set back so far that nothing would be', () => {
    expect(isCountDue(fresh, MONDAY - DAY_MS)).toBe(true);
    const again = counted(counted(fresh, MONDAY, 5), MONDAY, 3);
    expect(usageOf(again, 0, monday)).toEqual({ usual: 5, peak: 5, weeks: 1 });
  });
  it('says nothing of a slot that was not counted', () => {
    expect(usageOf(fresh, 7, monday)).toEqual({ usual: 0, peak: 0, weeks: 0 });
    expect(counted(fresh, MONDAY, undefined)).toMatchObject({ weeks: [], dueAt: MONDAY + QUARTER_MS });
  });
  it.each([
    [[4], 4],
    [[4, 9], 7],
    [[9, 0, 4], 4],
    [[38, 51, 37, 38], 38],
  ])('of %j has the median %i', (counts, usual) => {
    const history = counts.reduce((h, count, week) => counted(h, MONDAY - week * WEEK_MS, count), fresh);
    // Told from the newest to the oldest: none of them is of a week that is still to come.
    const inOrder = counts.reduce(
      (h, count, week) => counted(h, MONDAY - (counts.length - 1 - week) * WEEK_MS, count),
      fresh,
    );
    expect(usageOf(inOrder, 0, monday)).toEqual({ usual, peak: Math.max(...counts), weeks: counts.length });
    expect(countedWeeks(history, monday)).toBeLessThanOrEqual(1);
  });
  it('begins anew in another zone', () => {
    const moved = counted(counted(fresh, MONDAY, 5), MONDAY + QUARTER_MS, 3, 'Asia/Tokyo');
    expect(moved.weeks.map(({ counts }) => counts.filter((n) => n !== null))).toEqual([[3]]);
  });
  it('forgets what is older than eight weeks, also when nobody has counted since', () => {
    const old = counted(fresh, MONDAY, 5);
    expect(usageOf(old, 0, '2027-01-11').weeks).toBe(1);
    expect(usageOf(old, 0, '2027-01-18').weeks).toBe(0);
    expect(counted(old, MONDAY + 8 * WEEK_MS, 1).weeks).toHaveLength(1);
  });
});

it('stays bounded, and says between zero and the peak, whatever the clock does', () => {
  const step = fc.record({
    jump: fc.oneof(fc.constant(QUARTER_MS), fc.integer({ min: -30 * DAY_MS, max: 30 * DAY_MS })),
    count: fc.option(fc.nat(500), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let now = MONDAY;
      let history = fresh;
      for (const { jump, count } of steps) {
        now += jump;
        if (!isCountDue(history, now)) continue;
        history = counted(history, now, count);
        const { slot, monday: week } = quarterAt(now);
        expect(history.dueAt).toBe(nextQuarter(now));
        expect(history.weeks.length).toBeLessThanOrEqual(WEEKS);
        expect(new Set(history.weeks.map((w) => w.monday)).size).toBe(history.weeks.length);
        expect(history.weeks.every((w) => w.counts.length === QUARTERS_OF_WEEK)).toBe(true);
        const usage = usageOf(history, slot, week);
        expect(usage.usual).toBeLessThanOrEqual(usage.peak);
        if (count !== undefined) expect(usage.peak).toBeGreaterThanOrEqual(count);
      }
    }),
  );
});
