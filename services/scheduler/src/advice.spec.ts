import { HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import type { Other } from './advice/collisions.js';
import { NO_HISTORY, slotOf, type UsageHistory } from './advice/usage.js';
import { cautionsFor, factsOf, findingsFor, NOTHING_KNOWN, type Situation } from './advice.js';
import { resolveLocalTime } from './calendar.js';
import type { JobDefinition } from './domain/job.js';
import { sampleDefinition } from './testing/sample-definition.js';

const zone = 'Europe/Berlin';
const at = (localTime: string) => resolveLocalTime(`${localTime}:00`, zone).at;
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri'].map((weekday) => ({ weekday, opens: '08:00', closes: '18:00' }));
const HOLIDAYS: Readonly<Record<string, string>> = { '2026-12-25': 'Christmas Day' };
const SITUATION: Situation = {
  ...NOTHING_KNOWN,
  multiUser: true,
  timeZone: zone,
  businessHours: { spans: weekdays, holidays: Object.keys(HOLIDAYS) },
  holidayOn: (date) => HOLIDAYS[date],
  sessions: 40,
  now: at('2026-11-24T15:00'),
};
const TIMED = sampleDefinition();
const IMMEDIATE = sampleDefinition({ start: { kind: 'immediate' } });
const BACKUP = sampleDefinition({ type: 'data-backup' });

/** Of a place that is busiest on Tuesdays. `time`: `fri 22:00`. */
function usual(time: string, users: number, peak = users, weeks = 6): UsageHistory {
  const [weekday = '', clock = ''] = time.split(' ');
  const slots = new Map([[slotOf({ weekday: 'tue', time: '10:00' }), { usual: 100, peak: 120, weeks: 6 }]]);
  slots.set(slotOf({ weekday, time: clock }), { usual: users, peak, weeks });
  return { slots, weeks: 6 };
}
const cautions = (definition: JobDefinition, dueAt: number | readonly number[], more: Partial<Situation> = {}) =>
  cautionsFor(definition, [dueAt].flat(), { ...SITUATION, ...more });
const names = (...args: Parameters<typeof cautions>) => cautions(...args).map((c) => c.caution);
const facts = (definition: JobDefinition, dueAt: number | readonly number[], more: Partial<Situation> = {}) => {
  const situation = { ...SITUATION, ...more };
  return factsOf(definition, findingsFor(definition, [dueAt].flat(), situation), situation);
};

describe('cautions', () => {
  it.each([
    ['2026-11-27T17:59', ['inside-business-hours']],
    ['2026-11-27T18:00', []],
    ['2026-11-28T12:00', []],
    // A holiday is no caution.
    ['2026-12-25T12:00', []],
  ])('%s: %j', (time, expected) => expect(names(TIMED, at(time))).toEqual(expected));
  it('count users only when they would be logged off now', () => {
    expect(names(IMMEDIATE, SITUATION.now)).toEqual(['inside-business-hours', 'users-logged-in']);
    expect(names(IMMEDIATE, SITUATION.now, { sessions: 0 })).toEqual(['inside-business-hours']);
  });
  it('say the same of a maintenance window', () =>
    expect(names({ ...IMMEDIATE, type: 'maintenance-window', closedForMs: 60_000 }, SITUATION.now)).toHaveLength(2));
  it('have nothing to say of users to backups and single seats', () => {
    expect(names({ ...IMMEDIATE, type: 'data-backup' }, SITUATION.now)).toEqual([]);
    expect(names(IMMEDIATE, SITUATION.now, { multiUser: false })).toEqual([]);
  });
  it('look at every time of a series', () => {
    const times = ['2026-11-28T12:00', '2026-11-29T12:00', '2026-11-30T12:00', '2026-12-01T12:00'].map(at);
    expect(names(TIMED, times.slice(0, 2))).toEqual([]);
    expect(cautions(TIMED, times)[0]?.text).toContain('2026-11-30T12:00');
    expect(facts(TIMED, times)[0]).toBe('2 of the next 4 times are inside business hours');
  });
  it('name hours, numbers and few users', () => {
    const [hours, users] = cautions(IMMEDIATE, SITUATION.now, { sessions: 2, users: ['ada', 'ben'] });
    expect(hours?.text).toContain('tue 08:00–18:00');
    expect(users?.text).toBe('2 users are logged in (ada, ben) and will be logged off after the reaction time');
  });
  it('are about many users when it is a quarter of the busiest time, by more than one week', () => {
    const night = at('2026-11-27T22:00');
    const [caution] = cautions(TIMED, night, { history: usual('fri 22:00', 38, 51) });
    expect(caution).toEqual({
      caution: 'usually-many-users',
      text: 'usually 38 users then (peak 51; of 6 weeks); they will be logged off',
    });
    expect(names(TIMED, night, { history: usual('fri 22:00', 25) })).toEqual(['usually-many-users']);
    expect(names(TIMED, night, { history: usual('fri 22:00', 24) })).toEqual([]);
    expect(names(TIMED, night, { history: usual('fri 22:00', 38, 38, 1) })).toEqual([]);
    // As long as the run takes.
    expect(names(TIMED, night, { history: usual('fri 22:15', 38) })).toEqual(['usually-many-users']);
    expect(names(TIMED, night, { history: usual('fri 22:30', 38) })).toEqual([]);
  });
  it('are about whatever is due within each other’s length, of backups too', () => {
    const nightly: Other = { job: 'nightly', run: '', at: at('2026-11-27T21:45'), lengthMs: 20 * MINUTE_MS };
    const others = [nightly];
    const [caution] = cautions(BACKUP, at('2026-11-27T22:00'), { others, multiUser: false });
    expect(caution?.caution).toBe('collides-with-job');
    expect(caution?.text).toContain('nightly is due at 2026-11-27T21:45 (until about 22:05)');
    expect(names(TIMED, at('2026-11-27T22:05'), { others })).toEqual([]);
    const active = [{ ...nightly, run: 'r1', at: SITUATION.now - MINUTE_MS }];
    expect(names({ ...BACKUP, start: { kind: 'immediate' } }, SITUATION.now, { others: active })).toEqual([]);
    expect(names(BACKUP, SITUATION.now + MINUTE_MS, { others: active })).toEqual(['collides-with-job']);
    expect(facts(TIMED, at('2026-11-27T22:05'), { others }).at(-1)).toBe('nothing else is due meanwhile');
  });
});

describe('facts', () => {
  it.each([
    ['2026-11-27T17:59', 'fri 17:59 is inside business hours'],
    ['2026-11-27T22:00', 'fri 22:00 is outside business hours'],
    ['2026-12-25T12:00', '2026-12-25 is a holiday (Christmas Day), so it is outside business hours'],
  ])('%s: %s', (time, expected) => expect(facts(TIMED, at(time))[0]).toBe(expected));
  it('say plainly what is not known', () => {
    const found = facts(TIMED, at('2026-11-27T22:00'), { sessions: 0 });
    expect(found).toEqual([
      'fri 22:00 is outside business hours',
      'there is no history of logins yet, so nobody knows how many users are logged in then',
      'no run of this kind has succeeded here yet, so nobody knows how long it takes; 30 min are assumed',
    ]);
    expect(facts(TIMED, at('2026-11-27T03:00'), { history: usual('fri 22:00', 3) })).toContain(
      'at this time of the week nobody was counted in the 6 weeks of the history',
    );
  });
  it('say what was counted and measured', () => {
    const length = { medianMs: 14 * MINUTE_MS, p90Ms: 90 * MINUTE_MS, runs: 12 };
    const found = facts(TIMED, at('2026-11-27T22:00'), { history: usual('fri 22:00', 0, 2), length });
    expect(found.slice(1)).toEqual([
      '40 users logged in now',
      'usually nobody is logged in then (peak 2; of 6 weeks)',
      'takes about 14 min, nine of ten runs 1 h 30 min at most (measured: 12 runs)',
    ]);
  });
  it('say of a backup how long it takes and what else is due', () => {
    expect(facts(BACKUP, SITUATION.now + HOUR_MS, { history: NO_HISTORY })).toHaveLength(1);
  });
});
