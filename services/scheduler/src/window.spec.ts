import { HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import fc from 'fast-check';
import { localTimeOf, resolveLocalTime } from './calendar.js';
import { ASSUMED } from './advice/length.js';
import { sampleDefinition } from './testing/sample-definition.js';
import { estimateOf, lateWithinOf, minutes, noFit, windowOf, windowProblems } from './window.js';

const ZONE = 'Europe/Berlin';
const at = (utc: string): number => Date.parse(`${utc}Z`);
/** 22:00 in Berlin. */
const TEN = at('2026-12-01T21:00');

const windowed = (latestStart: string, windowEnd: string) =>
  sampleDefinition({
    maxRunTimeMs: 2 * HOUR_MS,
    runIfLateWithinMs: 15 * MINUTE_MS,
    ...(latestStart !== '' && { latestStart }),
    ...(windowEnd !== '' && { windowEnd }),
  });

it.each([
  ['the same evening', TEN, '23:30', at('2026-12-01T22:30')],
  ['the next morning', TEN, '04:00', at('2026-12-02T03:00')],
  ['a day later, when it is the due time itself', TEN, '22:00', at('2026-12-02T21:00')],
  ['the instant after a gap of the clocks', at('2027-03-27T21:00'), '02:30', at('2027-03-28T01:00')],
  ['the first of two', at('2027-10-30T20:00'), '02:30', at('2027-10-31T00:30')],
])('a time of day is that of %s', (_, due, timeOfDay, expected) =>
  expect(windowOf(windowed(timeOfDay, timeOfDay), due, ZONE)).toEqual({ latestStartAt: expected, endsAt: expected }),
);

it('takes the latest start for the lateness, where there is one', () => {
  expect(lateWithinOf(windowed('', ''), TEN, ZONE)).toBe(15 * MINUTE_MS);
  expect(lateWithinOf(windowed('23:30', ''), TEN, ZONE)).toBe(90 * MINUTE_MS);
});

it('says that a run does not fit into what is left, and why', () => {
  const estimate = estimateOf(windowed('', '04:00'), ASSUMED);
  const end = at('2026-12-02T03:00');
  expect(noFit(estimate, end - 2 * HOUR_MS, end, ZONE)).toBeUndefined();
  expect(noFit(estimate, end - 2 * HOUR_MS + 1, end, ZONE)).toBe(
    'it may take 2 h (its maximum run time), and its window ends at 2026-12-02 04:00 (Europe/Berlin), 1 h 59 min are left',
  );
  expect(noFit(estimate, end, end, ZONE)).toContain('which is over');
});

it.each([
  ['an end before the latest start', '23:30', '23:00', 'before its latest start 23:30'],
  ['a window shorter than the reaction time', '', '22:04', '4 min long, shorter than the reaction time of 5 min'],
])('refuses %s', (_, latestStart, end, text) => {
  const [problem] = windowProblems(windowed(latestStart, end), TEN, ZONE, 5 * MINUTE_MS);
  expect(problem).toMatchObject({ field: 'job.window_end', description: expect.stringContaining(text) });
});

it('takes what is long enough', () => {
  expect(windowProblems(windowed('23:30', '23:30'), TEN, ZONE, 5 * MINUTE_MS)).toEqual([]);
  expect(windowProblems(windowed('23:30', ''), TEN, ZONE, 2 * HOUR_MS)).toEqual([]);
  expect([0, 30_000, 60_000, 90 * MINUTE_MS].map(minutes)).toEqual(['0 s', '30 s', '1 min', '1 h 30 min']);
});

it('takes what was measured for the estimate, once there is enough, and never more than the maximum run time', () => {
  const length = { medianMs: 10 * MINUTE_MS, p90Ms: 20 * MINUTE_MS, runs: 5 };
  const measured = { ms: 20 * MINUTE_MS, from: 'nine of ten of the last 5 runs took no longer' };
  const most = { ms: 2 * HOUR_MS, from: 'its maximum run time' };
  expect(estimateOf(windowed('', ''), length)).toEqual(measured);
  expect(estimateOf(windowed('', ''), { ...length, runs: 4 })).toEqual(most);
  expect(estimateOf(windowed('', ''), { ...length, p90Ms: 3 * HOUR_MS })).toEqual(most);
});

it('is after the due time, a day away at most, and shows that time of day wherever the clocks do', () => {
  const zones = fc.constantFrom('Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Africa/Casablanca', 'UTC');
  const due = fc.integer({ min: at('2026-01-01T00:00'), max: at('2028-01-01T00:00') });
  const timeOfDay = fc
    .tuple(fc.nat(23), fc.nat(59))
    .map((parts) => parts.map((n) => String(n).padStart(2, '0')).join(':'));
  fc.assert(
    fc.property(due, timeOfDay, zones, (dueAt, end, zone) => {
      const { endsAt = 0 } = windowOf(windowed('', end), dueAt, zone);
      expect(endsAt).toBeGreaterThan(dueAt);
      expect(endsAt - dueAt).toBeLessThanOrEqual(25 * HOUR_MS);
      const shown = localTimeOf(endsAt, zone);
      const { at: meant, notes } = resolveLocalTime(`${shown.slice(0, 11)}${end}:00`, zone);
      expect([shown.slice(11, 16), meant]).toEqual(notes.length > 0 ? [shown.slice(11, 16), endsAt] : [end, endsAt]);
    }),
  );
});

it('takes a maintenance window for as long as it says', () => {
  const lengthMs = 65 * MINUTE_MS;
  const said = { medianMs: lengthMs, p90Ms: lengthMs, runs: 0, isSaid: true } as const;
  expect(estimateOf(windowed('', '04:00'), said)).toMatchObject({ ms: lengthMs });
});
