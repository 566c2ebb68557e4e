import type { Start } from './domain/job.js';
import { nextTime } from './postponements.js';
import { resolveLocalTime } from './calendar.js';
import { sampleDefinition } from './testing/sample-definition.js';

const ZONE = 'Europe/Berlin';
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri'];
const spans = WEEKDAYS.map((weekday) => ({ weekday, opens: '08:00', closes: '18:00' }));
const place = { kind: 'multi-user', timeZone: ZONE, businessHours: { spans, holidays: [] } } as const;

const SATURDAYS: Start = { kind: 'series', cron: '0 22 * * SAT' };

/** `start`: the local time that was postponed; none: a start at once. */
function next(start: string | undefined, confirmedCautions: readonly string[] = [], late = 0, series?: Start) {
  const definition = sampleDefinition({
    start: series ?? (start === undefined ? { kind: 'immediate' } : { kind: 'time', localTime: start }),
    holdsAllowed: true,
  });
  const nominalAt = resolveLocalTime(start ?? '2026-11-24T22:00:00', ZONE).at;
  const state = { phase: 'done', definition, revision: 1 } as const;
  return nextTime({ state, confirmedCautions }, nominalAt, place, nominalAt + 3_600_000 + late);
}

describe('the next time of a job that was postponed', () => {
  it.each([
    ['is the same time of the next day', '2026-11-24T22:00:00', '2026-11-25T22:00:00'],
    ['over the end of a month', '2026-11-30T22:00:00', '2026-12-01T22:00:00'],
    ['where the clocks go forward', '2027-03-27T22:00:00', '2027-03-28T22:00:00'],
    ['where the clocks go back', '2027-10-30T22:00:00', '2027-10-31T22:00:00'],
    ['passes over days on which users work', '2026-11-29T10:00:00', '2026-12-05T10:00:00'],
  ])('%s', (_, start, localTime) => {
    expect(next(start)).toEqual({ localTime, dueAt: resolveLocalTime(localTime, ZONE).at });
  });

  it('may be inside business hours when that was confirmed', () => {
    expect(next('2026-11-29T10:00:00', ['inside-business-hours'])?.localTime).toBe('2026-11-30T10:00:00');
  });

  it('is never in the past', () => {
    expect(next('2026-11-24T22:00:00', [], 25 * 3_600_000)?.localTime).toBe('2026-11-26T22:00:00');
  });

  it('is the next day for a series too, whatever its days', () => {
    expect(next('2026-11-28T22:00:00', [], 0, SATURDAYS)?.localTime).toBe('2026-11-29T22:00:00');
  });

  it('is none for a start at once', () => expect(next(undefined)).toBeUndefined());
});
