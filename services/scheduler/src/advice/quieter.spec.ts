import { businessSpanAt, DAY_MS, HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import fc from 'fast-check';
import { NOTHING_KNOWN, type Situation } from '../advice.js';
import { localDayOf, resolveLocalTime } from '../calendar.js';
import { suggestTimes } from './quieter.js';
import { manyFrom, slotOf, usageFrom, type Usage } from './usage.js';

const zone = 'Europe/Berlin';
const at = (localTime: string) => resolveLocalTime(`${localTime}:00`, zone).at;
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const weekdays = DAYS.slice(0, 5).map((weekday) => ({ weekday, opens: '08:00', closes: '18:00' }));
const SITUATION: Situation = {
  ...NOTHING_KNOWN,
  multiUser: true,
  timeZone: zone,
  businessHours: { spans: weekdays, holidays: [] },
  now: at('2026-11-24T15:00'),
};
const timesOf = (more: Partial<Situation> = {}) => suggestTimes({ ...SITUATION, ...more }).map((s) => s.localTime);
const hours = (opens: string, closes: string, days = DAYS) => days.map((weekday) => ({ weekday, opens, closes }));
/** Every hour of each day, by what is usual then. */
function history(usualAt: (weekday: string, hour: number) => number) {
  const slots = new Map<number, Usage>();
  for (const weekday of DAYS) {
    for (let hour = 0; hour < 24; hour++) {
      const usual = usualAt(weekday, hour);
      for (const minute of ['00', '15', '30', '45']) {
        const time = `${String(hour).padStart(2, '0')}:${minute}`;
        slots.set(slotOf({ weekday, time }), { usual, peak: usual + 1, weeks: 8 });
      }
    }
  }
  return { slots, weeks: 8 };
}

it('proposes three evenings', () => {
  expect(timesOf()).toEqual(['2026-11-24T22:00', '2026-11-25T22:00', '2026-11-26T22:00']);
});
it('finds the gap of a place that works late', () => {
  const spans = weekdays.map((s) => ({ ...s, opens: '06:00', closes: '23:30' }));
  expect(timesOf({ businessHours: { spans, holidays: [] } })[0]).toBe('2026-11-25T03:00');
});
it('has no proposal when there is no free hour', () => {
  expect(timesOf({ businessHours: { spans: hours('00:00', '24:00'), holidays: [] } })).toEqual([]);
});
it('takes the quietest hour of each night, and says so', () => {
  const night = history((_, hour) => (hour === 1 ? 0 : hour >= 20 || hour < 6 ? 3 : 40));
  const [first] = suggestTimes({ ...SITUATION, history: night });
  expect(first).toMatchObject({
    localTime: '2026-11-24T22:00',
    reason: expect.stringContaining('usually 3 users then (peak 4; of 8 weeks)') as string,
  });
  expect(timesOf({ history: night }).slice(1)).toEqual(['2026-11-25T01:00', '2026-11-26T01:00']);
});
it('leaves busy nights out, and says until when it stays quiet', () => {
  const busy = history((weekday, hour) => (weekday === 'tue' || weekday === 'wed' ? 40 : hour === 4 ? 40 : 0));
  const [first] = suggestTimes({ ...SITUATION, history: busy });
  expect(first).toMatchObject({ localTime: '2026-11-26T22:00', quietUntil: '2026-11-27T04:00' });
});
it('goes out of the way of what else is due, a series too', () => {
  const nightly = { job: 'nightly', run: '', at: at('2026-11-24T22:00'), lengthMs: 2 * HOUR_MS, cron: '0 22 * * *' };
  const [first] = suggestTimes({ ...SITUATION, others: [nightly] });
  expect(first).toMatchObject({ localTime: '2026-11-24T20:00', quietUntil: '2026-11-24T22:00' });
  expect(first?.reason).toContain('nothing else is due');
});
it('knows holidays', () => {
  const now = at('2026-12-24T23:00');
  const businessHours = { spans: hours('06:00', '23:30'), holidays: ['2026-12-25'] };
  const holidayOn = (date: string) => (date === '2026-12-25' ? 'Christmas Day' : undefined);
  const [first] = suggestTimes({ ...SITUATION, now, businessHours, holidayOn });
  expect(first?.localTime).toBe('2026-12-25T22:00');
  expect(first?.reason).toContain('a holiday (Christmas Day)');
});
it('proposes no time that the clocks leave out or bring twice', () => {
  const spans = hours('05:00', '24:00');
  const now = at('2027-03-27T15:00');
  // Two clear hours leave 02:00 to 03:00, and that night it is left out.
  expect(timesOf({ now, businessHours: { spans, holidays: [] } })[0]).toBe('2027-03-29T02:00');
});

it('is free, clear, quiet and of another day each, whatever the place is like', () => {
  const span = fc.tuple(fc.constantFrom(...DAYS), fc.integer({ min: 0, max: 22 }), fc.integer({ min: 1, max: 8 }));
  const two = (n: number) => String(n).padStart(2, '0');
  fc.assert(
    fc.property(
      fc.array(span, { maxLength: 8 }),
      fc.array(fc.nat(50), { minLength: 24, maxLength: 24 }),
      fc.integer({ min: 0, max: 365 * 24 * 60 }),
      fc.array(fc.record({ afterH: fc.nat(72), lengthMs: fc.integer({ min: 1, max: 4 * HOUR_MS }) }), { maxLength: 4 }),
      (given, byHour, minute, due) => {
        const spans = given.map(([weekday, from, length]) => ({
          weekday,
          opens: `${two(from)}:00`,
          closes: `${two(Math.min(24, from + length))}:00`,
        }));
        const now = at('2026-01-01T00:00') + minute * MINUTE_MS;
        const others = due.map(({ afterH, lengthMs }, i) => ({
          job: `j${i}`,
          run: '',
          at: now + afterH * HOUR_MS,
          lengthMs,
        }));
        const situation = {
          ...{ ...SITUATION, now, others, history: history((_, hour) => byHour[hour] ?? 0) },
          businessHours: { spans, holidays: [] },
        };
        const found = suggestTimes(situation);
        expect(new Set(found.map((s) => s.localTime.slice(0, 10))).size).toBe(found.length);
        for (const { at: start, localTime, users } of found) {
          expect(resolveLocalTime(`${localTime}:00`, zone)).toEqual({ at: start, notes: [] });
          expect(start).toBeGreaterThan(now);
          expect(start).toBeLessThan(now + 16 * DAY_MS);
          for (let around = start - 2 * HOUR_MS; around <= start + 2 * HOUR_MS; around += 30 * MINUTE_MS)
            if (around > now - 2 * HOUR_MS)
              expect(businessSpanAt(situation.businessHours, localDayOf(around, zone))).toBeUndefined();
          expect(users?.usual).toBeLessThan(manyFrom(situation.history));
          expect(users).toEqual(usageFrom(situation.history, localDayOf(start, zone), 30 * MINUTE_MS));
          expect(others.filter((o) => o.at < start + 30 * MINUTE_MS && start < o.at + o.lengthMs)).toEqual([]);
        }
      },
    ),
    { numRuns: 60 },
  );
});
