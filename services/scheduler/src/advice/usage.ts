import type { LocalTime } from '@lastcall/kernel';

/*
 * How many users are usually logged in, by weekday and quarter hour, as the session service has counted them.
 */

export interface Usage {
  /** Median. */
  readonly usual: number;
  readonly peak: number;
  /** Weeks in which it was counted; at least 1. */
  readonly weeks: number;
}

export interface UsageHistory {
  /** By slot of the week: 0 is Monday 00:00, 671 is Sunday 23:45. */
  readonly slots: ReadonlyMap<number, Usage>;
  /** In so many weeks something was counted. */
  readonly weeks: number;
}

export const NO_HISTORY: UsageHistory = { slots: new Map(), weeks: 0 };

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const OF_DAY = 96;
const OF_WEEK = 7 * OF_DAY;
export const QUARTER_MS = 15 * 60_000;

/** `time` is `HH:MM`; -1 for a weekday that there is not. */
export function slotOf({ weekday, time }: Pick<LocalTime, 'weekday' | 'time'>): number {
  const day = WEEKDAYS.indexOf(weekday);
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return day < 0 ? -1 : day * OF_DAY + hour * 4 + Math.floor(minute / 15);
}

/** The busiest of the quarter hours from a local time on; undefined when none of them was counted. */
export function usageFrom(
  { slots }: UsageHistory,
  from: Pick<LocalTime, 'weekday' | 'time'>,
  lengthMs: number,
): Usage | undefined {
  const first = slotOf(from);
  const count = Math.min(OF_WEEK, Math.max(1, Math.ceil(lengthMs / QUARTER_MS)));
  const found = Array.from({ length: count }, (_, i) => slots.get((first + i) % OF_WEEK));
  return busiest(found);
}

export function busiest(found: readonly (Usage | undefined)[]): Usage | undefined {
  return found.reduce<Usage | undefined>((best, usage) => {
    if (!usage || !best) return usage ?? best;
    return usage.usual > best.usual || (usage.usual === best.usual && usage.peak > best.peak) ? usage : best;
  }, undefined);
}

const FEW = 2;

/** From so many users on it is one of the busier times: a quarter of what is usual at the busiest time of the week. */
export function manyFrom({ slots }: UsageHistory): number {
  const most = Math.max(0, ...[...slots.values()].map(({ usual }) => usual));
  return Math.max(FEW, Math.ceil(most / 4));
}

/** `usually 38 users then (peak 51; of 6 weeks)`. */
export function usageText({ usual, peak, weeks }: Usage): string {
  const users = usual === 0 ? 'usually nobody is logged in' : `usually ${count(usual, 'user')}`;
  return `${users} then (peak ${peak}; of ${count(weeks, 'week')})`;
}

export function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
