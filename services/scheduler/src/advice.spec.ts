import { cautionsFor, suggestTimes, type Situation } from './advice.js';
import { resolveLocalTime } from './calendar.js';
import type { JobDefinition } from './domain/job.js';

const zone = 'Europe/Berlin';
const at = (localTime: string) => resolveLocalTime(`${localTime}:00`, zone).at;
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri'].map((weekday) => ({ weekday, opens: '08:00', closes: '18:00' }));
const SITUATION: Situation = {
  multiUser: true,
  timeZone: zone,
  businessHours: { spans: weekdays, holidays: ['2026-12-25'] },
  sessions: 40,
  now: at('2026-11-24T15:00'),
};
const TIMED = { type: 'software-update', start: { kind: 'time', localTime: '' } } as JobDefinition;
const IMMEDIATE = { type: 'software-update', start: { kind: 'immediate' } } as JobDefinition;
const names = (definition: JobDefinition, dueAt: number | readonly number[], more: Partial<Situation> = {}) =>
  cautionsFor(definition, [dueAt].flat(), { ...SITUATION, ...more }).map((c) => c.caution);

describe('cautionsFor', () => {
  it.each([
    ['2026-11-27T17:59', ['inside-business-hours']],
    ['2026-11-27T18:00', []],
    ['2026-11-28T12:00', []],
    ['2026-12-25T12:00', []],
  ])('%s: %j', (time, cautions) => expect(names(TIMED, at(time))).toEqual(cautions));
  it('counts users only when they would be logged off now', () => {
    expect(names(IMMEDIATE, SITUATION.now)).toEqual(['inside-business-hours', 'users-logged-in']);
    expect(names(IMMEDIATE, SITUATION.now, { sessions: 0 })).toEqual(['inside-business-hours']);
  });
  it('says the same of a maintenance window', () =>
    expect(names({ ...IMMEDIATE, type: 'maintenance-window' }, SITUATION.now)).toHaveLength(2));
  it('has nothing to say about backups and single seats', () => {
    expect(names({ ...IMMEDIATE, type: 'data-backup' }, 0)).toEqual([]);
    expect(names(IMMEDIATE, 0, { multiUser: false })).toEqual([]);
  });
  it('looks at every time of a series', () => {
    const times = ['2026-11-28T12:00', '2026-11-29T12:00', '2026-11-30T12:00', '2026-12-01T12:00'].map(at);
    expect(names(TIMED, times.slice(0, 2))).toEqual([]);
    const [hours] = cautionsFor(TIMED, times, SITUATION);
    expect(hours?.text).toContain('2026-11-30T12:00');
  });
  it('names hours and numbers', () => {
    const [hours, users] = cautionsFor(IMMEDIATE, [SITUATION.now], SITUATION);
    expect(hours?.text).toContain('tue 08:00–18:00');
    expect(users?.text).toContain('40 users');
  });
});

describe('suggestTimes', () => {
  it('proposes three evenings', () => {
    const times = suggestTimes(SITUATION).map((s) => s.localTime);
    expect(times).toEqual(['2026-11-24T22:00', '2026-11-25T22:00', '2026-11-26T22:00']);
  });
  it('finds the gap of a place that works late', () => {
    const spans = weekdays.map((s) => ({ ...s, opens: '06:00', closes: '23:30' }));
    const [first] = suggestTimes({ ...SITUATION, businessHours: { spans, holidays: [] } });
    expect(first?.localTime).toBe('2026-11-25T03:00');
  });
  it('has no proposal when there is no free hour', () => {
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
    const spans = days.map((weekday) => ({ weekday, opens: '00:00', closes: '23:59' }));
    expect(suggestTimes({ ...SITUATION, businessHours: { spans, holidays: [] } })).toEqual([]);
  });
});
