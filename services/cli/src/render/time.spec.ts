import { instantOf } from './time.js';

describe('instantOf', () => {
  it.each([
    ['2026-12-24T22:00', 'Europe/Berlin', '2026-12-24T21:00:00.000Z'],
    ['2026-07-24T22:00:30', 'Europe/Berlin', '2026-07-24T20:00:30.000Z'],
    ['2026-07-24T22:00', 'America/New_York', '2026-07-25T02:00:00.000Z'],
    ['2026-10-25T02:30', 'Europe/Berlin', '2026-10-25T00:30:00.000Z'],
    ['2026-12-24T22:00:00Z', 'Europe/Berlin', '2026-12-24T22:00:00.000Z'],
    ['2026-12-24T22:00+05:30', 'Europe/Berlin', '2026-12-24T16:30:00.000Z'],
  ])('%s in %s', (text, zone, expected) => expect(instantOf(text, zone)?.toISOString()).toBe(expected));

  it.each(['2026-03-29T02:30', '2026-13-01T00:00', 'yesterday', '2026-12-24', '2026-12-24T25:00Z'])(
    '%s is no time there',
    (text) => expect(instantOf(text, 'Europe/Berlin')).toBeUndefined(),
  );
});
