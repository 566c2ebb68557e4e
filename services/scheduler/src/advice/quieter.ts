import { businessSpanAt, DAY_MS, HOUR_MS, MINUTE_MS, type LocalTime } from '@lastcall/kernel';
import { localDayOf, localTimeOf, resolveLocalTime } from '../calendar.js';
import type { Situation } from '../advice.js';
import { occupiedBetween, type Occupied } from './collisions.js';
import { busiest, manyFrom, slotOf, usageText, type Usage } from './usage.js';

/*
 * Better times: with nothing against them, and on each day the quietest. Looked for in half hours, two weeks ahead.
 */

export interface Suggestion {
  /** `YYYY-MM-DDTHH:MM`. */
  readonly localTime: string;
  readonly at: number;
  /** Until then it stays like that, `YYYY-MM-DDTHH:MM`. */
  readonly quietUntil: string;
  readonly reason: string;
  /** Undefined: never counted. */
  readonly users: Usage | undefined;
}

const SUGGESTIONS = 3;
const DAYS = 14;
const STEP_MS = 30 * MINUTE_MS;
/** Business hours are so far away, before and after. */
const CLEAR_STEPS = (2 * HOUR_MS) / STEP_MS;
const LONGEST_STEPS = DAY_MS / STEP_MS;
/** Time to save the job, and to tell users. */
const LEAD_MS = 10 * MINUTE_MS;
/** Evenings first, then nights, then early mornings. */
const HOURS_OF_DAY = ['22:00', '03:00', '05:00', '23:00', '00:00'];

interface Step extends LocalTime {
  readonly at: number;
  readonly isInside: boolean;
  readonly isTaken: boolean;
  readonly usage: Usage | undefined;
}

/** The next times with two clear hours before and after business hours, one a day. */
export function suggestTimes(situation: Situation): readonly Suggestion[] {
  const steps = stepsOf(situation);
  const many = manyFrom(situation.history);
  const length = Math.max(1, Math.ceil(situation.length.p90Ms / STEP_MS));
  const byDay = new Map<string, Suggestion & { readonly rank: number }>();
  steps.forEach((step, i) => {
    if (step.at <= situation.now + LEAD_MS || !isFree(steps, i, length, many)) return;
    const users = busiest(steps.slice(i, i + length).map(({ usage }) => usage));
    const rank = rankOf(step.time, users);
    if ((byDay.get(step.date)?.rank ?? Infinity) <= rank) return;
    const quietUntil = localTimeOf(quietUntilOf(steps, i, many), situation.timeZone).slice(0, 16);
    const reason = reasonOf(situation, step, users);
    byDay.set(step.date, { localTime: `${step.date}T${step.time}`, at: step.at, quietUntil, reason, users, rank });
  });
  return [...byDay.values()].slice(0, SUGGESTIONS).map(({ rank: _, ...suggestion }) => suggestion);
}

/** Fewest users first, then the usual hours of the night, then the hour of the day. */
function rankOf(time: string, users: Usage | undefined): number {
  const hour = HOURS_OF_DAY.indexOf(time);
  const [h = 0, m = 0] = time.split(':').map(Number);
  return (users?.usual ?? 0) * 1e6 + (users?.peak ?? 0) + (hour < 0 ? 0.5 + (h * 60 + m) / 1e4 : hour / 100);
}

function isFree(steps: readonly Step[], i: number, length: number, many: number): boolean {
  const around = steps.slice(Math.max(0, i - CLEAR_STEPS), i + Math.max(CLEAR_STEPS + 1, length));
  return !around.some(({ isInside }) => isInside) && steps.slice(i, i + length).every((step) => isQuiet(step, many));
}

function isQuiet({ isInside, isTaken, usage }: Step, many: number): boolean {
  return !isInside && !isTaken && (usage?.usual ?? 0) < many;
}

function quietUntilOf(steps: readonly Step[], from: number, many: number): number {
  const last = Math.min(steps.length, from + LONGEST_STEPS);
  const end = steps.findIndex((step, i) => i > from && (i >= last || !isQuiet(step, many)));
  return (steps[end] ?? steps.at(-1))?.at ?? 0;
}

function reasonOf(situation: Situation, { date }: Step, users: Usage | undefined): string {
  const { businessHours, others, history } = situation;
  const holiday = situation.holidayOn(date);
  const hasHours = businessHours.spans.length > 0;
  return [
    holiday === undefined ? '' : `a holiday (${holiday})`,
    hasHours ? 'outside business hours, with two clear hours around it' : '',
    users ? usageText(users) : history.weeks === 0 ? '' : 'was not counted at this time of the week',
    others.length === 0 ? '' : 'nothing else is due',
  ]
    .filter((part) => part !== '')
    .join('; ');
}

function stepsOf({ now, timeZone, businessHours, history, others }: Situation): readonly Step[] {
  const from = now - CLEAR_STEPS * STEP_MS;
  const until = now + (DAYS + 1) * DAY_MS;
  const occupied = occupiedBetween(from, until, others, timeZone);
  const steps: Step[] = [];
  for (let day = 0; steps.length < (DAYS * DAY_MS) / STEP_MS; day++) {
    for (const { at, ...local } of halfHoursOf(daysLater(localDayOf(from, timeZone).date, day), timeZone)) {
      const slot = slotOf(local);
      const usage = busiest([history.slots.get(slot), history.slots.get(slot + 1)]);
      const isInside = businessSpanAt(businessHours, local) !== undefined;
      steps.push({ ...local, at, usage, isInside, isTaken: isTakenAt(occupied, at) });
    }
  }
  return steps;
}

function isTakenAt(occupied: readonly Occupied[], at: number): boolean {
  return occupied.some(({ from, until }) => from < at + STEP_MS && at < until);
}

function daysLater(date: string, days: number): string {
  return new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10);
}

/** Those of one local day that exist, the first of those that come twice. Looked up one by one only where the clocks change. */
function halfHoursOf(date: string, timeZone: string): readonly (LocalTime & { at: number })[] {
  const midnight = resolveLocalTime(`${date}T00:00:00`, timeZone);
  const next = resolveLocalTime(`${daysLater(date, 1)}T00:00:00`, timeZone);
  const isPlain = next.at - midnight.at === DAY_MS && midnight.notes.length === 0;
  const { weekday } = localDayOf(Date.parse(`${date}T12:00:00Z`), 'UTC');
  return Array.from({ length: LONGEST_STEPS }, (_, i) => {
    const time = new Date(i * STEP_MS).toISOString().slice(11, 16);
    const resolved = isPlain ? undefined : resolveLocalTime(`${date}T${time}:00`, timeZone);
    return {
      date,
      weekday,
      time,
      at: resolved?.at ?? midnight.at + i * STEP_MS,
      isOdd: (resolved?.notes.length ?? 0) > 0,
    };
  })
    .filter(({ isOdd }) => !isOdd)
    .map(({ isOdd: _, ...step }) => step);
}
