import { QUARTER_MS, QUARTERS_OF_WEEK } from './domain/history.js';
import { localQuarterAt, namesOfSlot, slotOf } from './local-quarter.js';

it.each([
  ['2026-11-23T00:00:00Z', 'UTC', '2026-11-23', 'mon', '00:00'],
  ['2026-11-29T23:59:59Z', 'UTC', '2026-11-23', 'sun', '23:45'],
  // Sunday evening in Berlin is Monday morning in Tokyo.
  ['2026-11-29T20:10:00Z', 'Europe/Berlin', '2026-11-23', 'sun', '21:00'],
  ['2026-11-29T20:10:00Z', 'Asia/Tokyo', '2026-11-30', 'mon', '05:00'],
  ['2026-11-28T22:00:00Z', 'Asia/Kathmandu', '2026-11-23', 'sun', '03:45'],
  ['2027-01-01T00:20:00Z', 'UTC', '2026-12-28', 'fri', '00:15'],
  // Both passes of the hour that comes twice.
  ['2026-10-25T00:30:00Z', 'Europe/Berlin', '2026-10-19', 'sun', '02:30'],
  ['2026-10-25T01:30:00Z', 'Europe/Berlin', '2026-10-19', 'sun', '02:30'],
])('%s in %s is in the week of %s, %s %s', (instant, zone, monday, weekday, time) => {
  const found = localQuarterAt(Date.parse(instant), zone);
  expect({ monday: found.monday, ...namesOfSlot(found.slot) }).toEqual({ monday, weekday, time });
});

it.each(['Europe/Berlin', 'Australia/Lord_Howe', 'Pacific/Chatham'])(
  '%s: seven weeks of quarter hours go forward slot by slot, but where the clocks change',
  (zone) => {
    const begin = Date.parse('2026-03-01T00:00:00Z');
    let before = localQuarterAt(begin, zone);
    let changes = 0;
    for (let at = begin + QUARTER_MS; at < begin + 49 * 96 * QUARTER_MS; at += QUARTER_MS) {
      const quarter = localQuarterAt(at, zone);
      if (quarter.slot !== (before.slot + 1) % QUARTERS_OF_WEEK) changes++;
      expect(quarter.monday >= before.monday).toBe(true);
      before = quarter;
    }
    expect(changes).toBe(1);
  },
);

it('names slots and reads their names', () => {
  for (let slot = 0; slot < QUARTERS_OF_WEEK; slot++) expect(slotOf(namesOfSlot(slot))).toBe(slot);
  for (const [weekday, time] of [
    ['monday', '08:00'],
    ['mon', '08:10'],
    ['mon', '24:00'],
    ['', ''],
  ] as const)
    expect(slotOf({ weekday, time })).toBeUndefined();
});
