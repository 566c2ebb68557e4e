import { localDayOf, localTimeOf, normalizeLocalTime, resolveLocalTime } from './calendar.js';

describe('normalizeLocalTime', () => {
  it.each([
    ['2026-11-28T22:00', '2026-11-28T22:00:00'],
    ['2028-02-29T00:00:59', '2028-02-29T00:00:59'],
  ])('%s', (text, expected) => expect(normalizeLocalTime(text)).toBe(expected));
  it.each([
    '',
    '2026-02-29T10:00',
    '2026-13-01T10:00',
    '2026-11-28 22:00',
    '2026-11-28T24:00',
    '2026-11-28T22:00Z',
    'x',
  ])('refuses %j', (text) => expect(normalizeLocalTime(text)).toBeUndefined());
});

describe('resolveLocalTime', () => {
  it.each([
    ['2026-11-28T22:00:00', 'Europe/Berlin', '2026-11-28T21:00:00Z', 0],
    ['2026-07-01T22:00:00', 'Europe/Berlin', '2026-07-01T20:00:00Z', 0],
    // The clocks go forward at 02:00: the first instant after the gap is 03:00.
    ['2027-03-28T02:30:00', 'Europe/Berlin', '2027-03-28T01:00:00Z', 1],
    ['2027-03-28T02:00:00', 'Europe/Berlin', '2027-03-28T01:00:00Z', 1],
    ['2027-03-28T03:00:00', 'Europe/Berlin', '2027-03-28T01:00:00Z', 0],
    // They go back at 03:00: 02:30 happens twice, the first is still summer time.
    ['2026-10-25T02:30:00', 'Europe/Berlin', '2026-10-25T00:30:00Z', 1],
    ['2026-10-25T03:00:00', 'Europe/Berlin', '2026-10-25T02:00:00Z', 0],
    // Half an hour of daylight saving, and a whole day that was left out.
    ['2026-10-04T02:15:00', 'Australia/Lord_Howe', '2026-10-03T15:30:00Z', 1],
    ['2026-04-05T01:45:00', 'Australia/Lord_Howe', '2026-04-04T14:45:00Z', 1],
    ['2026-11-28T22:00:00', 'Asia/Kathmandu', '2026-11-28T16:15:00Z', 0],
    ['2026-11-28T22:00:00', 'UTC', '2026-11-28T22:00:00Z', 0],
    ['0001-01-01T00:00:00', 'UTC', '0001-01-01T00:00:00Z', 0],
    ['0099-06-01T10:00:00', 'UTC', '0099-06-01T10:00:00Z', 0],
    // Before there were zones Berlin went by its own sun.
    ['0001-01-01T10:00:00', 'Europe/Berlin', '0001-01-01T09:06:32Z', 0],
    ['9999-12-31T23:59:59', 'Europe/Berlin', '9999-12-31T22:59:59Z', 0],
    ['9999-12-31T23:59:59', 'America/New_York', '+010000-01-01T04:59:59Z', 0],
  ])('%s in %s is %s', (localTime, zone, instant, notes) => {
    const resolved = resolveLocalTime(localTime, zone);
    expect(new Date(resolved.at).toISOString()).toBe(new Date(instant).toISOString());
    expect(resolved.notes).toHaveLength(notes);
  });
});

it('reads instants as local times and days', () => {
  expect(localDayOf(Date.parse('0099-06-01T10:00:00Z'), 'UTC').date).toBe('0099-06-01');
  const at = Date.parse('2026-11-28T23:30:00Z');
  expect(localTimeOf(at, 'Europe/Berlin')).toBe('2026-11-29T00:30:00');
  expect(localDayOf(at, 'Europe/Berlin')).toEqual({ weekday: 'sun', date: '2026-11-29', time: '00:30' });
});
