import { businessSpanAt, MINUTE_MS, passesGate, type BusinessHours, type LocalTime } from '@lastcall/kernel';
import { collisionsOf, type Occupied, type Other } from './advice/collisions.js';
import { ASSUMED, lengthText, type Length } from './advice/length.js';
import {
  busiest,
  count,
  manyFrom,
  NO_HISTORY,
  usageFrom,
  usageText,
  type Usage,
  type UsageHistory,
} from './advice/usage.js';
import { localDayOf, localTimeOf } from './calendar.js';
import type { JobDefinition } from './domain/job.js';

/*
 * What a job meets at its time, and what of it speaks against it. Backups disturb nobody, and a single seat is asked by itself: of users and
 * business hours only updates and maintenance windows of installations with many users are told. What collides is told of every job.
 */

export interface Caution {
  readonly caution: 'inside-business-hours' | 'users-logged-in' | 'usually-many-users' | 'collides-with-job';
  /** One sentence with the facts. */
  readonly text: string;
}

export interface Situation {
  readonly multiUser: boolean;
  readonly timeZone: string;
  readonly businessHours: BusinessHours;
  /** Name of the holiday on a date, `YYYY-MM-DD`. */
  holidayOn(date: string): string | undefined;
  /** Users logged in now. */
  readonly sessions: number;
  /** Their login names, when they are few and whoever asks may see them. */
  readonly users: readonly string[];
  readonly history: UsageHistory;
  readonly length: Length;
  readonly others: readonly Other[];
  readonly now: number;
}

/** Where it is of no account, or cannot be known. */
export const NOTHING_KNOWN = {
  holidayOn: () => undefined,
  sessions: 0,
  users: [],
  history: NO_HISTORY,
  length: ASSUMED,
  others: [],
} as const;

/** What is known of the job's time; the cautions follow from it. */
export interface Findings {
  /** The first time, with its calendar. */
  readonly first: LocalTime;
  readonly times: number;
  /** The first time that is inside business hours, and how many are. */
  readonly inside: { readonly at: number; readonly times: number } | undefined;
  readonly holiday: string | undefined;
  /** At the busiest of the times, and when that is; undefined: never counted, or nobody is disturbed. */
  readonly users: Usage | undefined;
  readonly collisions: readonly Occupied[];
}

/** `times`: when it is due, in milliseconds, one at least; several for a series. */
export function findingsFor(definition: JobDefinition, times: readonly number[], situation: Situation): Findings {
  const { timeZone, businessHours, history, length } = situation;
  const [begin = situation.now] = times;
  const first = localDayOf(begin, timeZone);
  const collisions = collisionsOf(times, length.p90Ms, situation.others, timeZone);
  const none = { first, times: times.length, inside: undefined, holiday: undefined, users: undefined, collisions };
  if (!disturbs(definition, situation)) return none;
  const days = times.map((at) => ({ at, day: localDayOf(at, timeZone) }));
  const inside = days.filter(({ day }) => businessSpanAt(businessHours, day));
  return {
    ...none,
    inside: inside[0] && { at: inside[0].at, times: inside.length },
    holiday: situation.holidayOn(first.date),
    users: busiest(days.map(({ day }) => usageFrom(history, day, length.medianMs))),
  };
}

function disturbs({ type }: JobDefinition, { multiUser }: Pick<Situation, 'multiUser'>): boolean {
  return passesGate({ type, kind: multiUser ? 'multi-user' : 'single-user' });
}

export function cautionsFor(
  definition: JobDefinition,
  times: readonly number[],
  situation: Situation,
): readonly Caution[] {
  return cautionsOf(definition, findingsFor(definition, times, situation), situation);
}

export function cautionsOf(definition: JobDefinition, findings: Findings, situation: Situation): readonly Caution[] {
  const isNow = definition.start.kind === 'immediate';
  const { inside, users } = findings;
  // A start at once beside a run is refused: that is for nobody to confirm.
  const collisions = findings.collisions.filter(({ run }) => !isNow || run === '');
  return [
    ...(inside ? businessHoursCaution(inside.at, situation) : []),
    ...(isNow && disturbs(definition, situation) ? sessionsCaution(situation) : manyUsersCaution(users, situation)),
    ...collisionCaution(collisions, situation),
  ];
}

function businessHoursCaution(at: number, { timeZone, businessHours }: Situation): readonly Caution[] {
  const span = businessSpanAt(businessHours, localDayOf(at, timeZone));
  if (!span) return [];
  const text =
    `${shown(at, timeZone)} (${timeZone}) is inside business hours ` +
    `(${span.weekday} ${span.opens}–${span.closes}); users will be logged off`;
  return [{ caution: 'inside-business-hours', text }];
}

function sessionsCaution({ sessions, users }: Situation): readonly Caution[] {
  if (sessions === 0) return [];
  const who = users.length === 0 ? '' : ` (${users.join(', ')})`;
  const many = sessions === 1 ? '1 user is' : `${sessions} users are`;
  return [
    { caution: 'users-logged-in', text: `${many} logged in${who} and will be logged off after the reaction time` },
  ];
}

/** One week says what was, not what is usual. */
const WEEKS_OF_A_HABIT = 2;

function manyUsersCaution(users: Usage | undefined, { history }: Situation): readonly Caution[] {
  if (!users || users.weeks < WEEKS_OF_A_HABIT || users.usual < manyFrom(history)) return [];
  return [{ caution: 'usually-many-users', text: `${usageText(users)}; they will be logged off` }];
}

const NAMED = 3;

function collisionCaution(collisions: readonly Occupied[], { timeZone }: Situation): readonly Caution[] {
  if (collisions.length === 0) return [];
  const named = collisions.slice(0, NAMED).map((c) => occupiedText(c, timeZone));
  const more = collisions.length > NAMED ? `, and ${collisions.length - NAMED} more` : '';
  const text = `${named.join(', ')}${more}: an installation has one run at a time, so one of them would be skipped`;
  return [{ caution: 'collides-with-job', text }];
}

function occupiedText({ job, run, from, until }: Occupied, timeZone: string): string {
  const what = run === '' ? `${job} is due at ${shown(from, timeZone)}` : `a run of ${job} goes on`;
  return `${what} (until about ${shown(until, timeZone).slice(11)})`;
}

function shown(at: number, timeZone: string): string {
  return localTimeOf(at, timeZone).slice(0, 16);
}

/** All of it in sentences, the most important first. */
export function factsOf(definition: JobDefinition, findings: Findings, situation: Situation): readonly string[] {
  const ofUsers = disturbs(definition, situation)
    ? [hoursFact(findings, situation), ...usersFacts(definition, findings, situation)]
    : [];
  const { collisions } = findings;
  return [
    ...ofUsers,
    lengthText(situation.length),
    ...collisions.map((c) => occupiedText(c, situation.timeZone)),
    ...(collisions.length === 0 && situation.others.length > 0 ? ['nothing else is due meanwhile'] : []),
  ];
}

function hoursFact({ first, times, inside, holiday }: Findings, { businessHours }: Situation): string {
  if (businessHours.spans.length === 0)
    return 'the installation has no business hours: lastcall installation set --hours';
  if (times > 1 && inside) return `${inside.times} of the next ${count(times, 'time')} are inside business hours`;
  if (times > 1) return `none of the next ${times} times is inside business hours`;
  if (inside) return `${first.weekday} ${first.time} is inside business hours`;
  if (holiday !== undefined) return `${first.date} is a holiday (${holiday}), so it is outside business hours`;
  return `${first.weekday} ${first.time} is outside business hours`;
}

/** Who is logged in now matters when the job begins so soon. */
const SOON_MS = 15 * MINUTE_MS;

function usersFacts(
  { start }: JobDefinition,
  { users }: Findings,
  { sessions, history }: Situation,
): readonly string[] {
  const now = sessions > 0 ? [`${count(sessions, 'user')} logged in now`] : [];
  if (start.kind === 'immediate') return now;
  if (users) return [...now, usageText(users)];
  const unknown =
    history.weeks === 0
      ? 'there is no history of logins yet, so nobody knows how many users are logged in then'
      : `at this time of the week nobody was counted in the ${count(history.weeks, 'week')} of the history`;
  return [...now, unknown];
}

/** Whether the answer to how many users are logged in now matters: a job that begins at once, or nearly. */
export function beginsSoon(start: JobDefinition['start'], dueAt: number, now: number): boolean {
  return start.kind === 'immediate' || (start.kind === 'time' && dueAt - now < SOON_MS);
}
