import { DAY_MS, MINUTE_MS } from '@lastcall/kernel';

/*
 * How many users were logged in, by weekday and quarter hour of the installation's zone: numbers of eight weeks, and nobody's name. Owns
 * which weeks count and what is usual; the number and the local time are told by the caller.
 */

export const QUARTER_MS = 15 * MINUTE_MS;
export const QUARTERS_OF_DAY = 96;
export const QUARTERS_OF_WEEK = 7 * QUARTERS_OF_DAY;
/** The present week included. */
export const WEEKS = 8;

/** A quarter hour of the local calendar. */
export interface LocalQuarter {
  /** Monday of its week, `YYYY-MM-DD`. */
  readonly monday: string;
  /** 0 is Monday 00:00, 671 is Sunday 23:45. */
  readonly slot: number;
}

export interface CountedWeek {
  readonly monday: string;
  /** By slot; null: not counted. */
  readonly counts: readonly (number | null)[];
}

export interface History {
  readonly installation: string;
  /** What was counted by another zone's clock is not comparable. */
  readonly timeZone: string;
  /** Oldest first, WEEKS at most. */
  readonly weeks: readonly CountedWeek[];
  /** When it is counted next. */
  readonly dueAt: number;
}

export interface Usage {
  /** Median. */
  readonly usual: number;
  readonly peak: number;
  /** Weeks in which it was counted. */
  readonly weeks: number;
}

/** Counted at the next quarter hour. */
export function beginHistory(installation: string, timeZone: string, now: number): History {
  return { installation, timeZone, weeks: [], dueAt: nextQuarter(now) };
}

export function nextQuarter(now: number): number {
  return (Math.floor(now / QUARTER_MS) + 1) * QUARTER_MS;
}

/** Whether it is time; also when the due time cannot be right, because the store's clock was set back since. */
export function isCountDue({ dueAt }: History, now: number): boolean {
  return dueAt <= now || dueAt > nextQuarter(now);
}

export interface Counted {
  readonly timeZone: string;
  readonly quarter: LocalQuarter;
  /** Undefined: it says nothing about users, because the gate was not open. */
  readonly count: number | undefined;
  readonly now: number;
}

/**
 * The history with this quarter hour; the next one is due. An hour that comes twice, and a week that a clock that was set back brings again,
 * keep the higher number. Weeks that are not of the last eight go.
 */
export function countQuarter(history: History, { timeZone, quarter, count, now }: Counted): History {
  const { installation } = history;
  const comparable = history.timeZone === timeZone ? recentWeeks(history.weeks, quarter.monday) : [];
  const weeks = count === undefined ? comparable : withCount(comparable, quarter, count);
  return { installation, timeZone, weeks, dueAt: nextQuarter(now) };
}

function withCount(weeks: readonly CountedWeek[], { monday, slot }: LocalQuarter, count: number): CountedWeek[] {
  const week = weeks.find((w) => w.monday === monday);
  const counts = [...(week?.counts ?? Array.from<null>({ length: QUARTERS_OF_WEEK }).fill(null))];
  counts[slot] = Math.max(count, counts[slot] ?? 0);
  return [...weeks.filter((w) => w !== week), { monday, counts }];
}

function recentWeeks(weeks: readonly CountedWeek[], monday: string): readonly CountedWeek[] {
  const oldest = new Date(Date.parse(monday) - (WEEKS - 1) * 7 * DAY_MS).toISOString().slice(0, 10);
  return weeks.filter((w) => w.monday >= oldest && w.monday <= monday);
}

/** What is usual at a slot, as of the week of `monday`. */
export function usageOf({ weeks }: Pick<History, 'weeks'>, slot: number, monday: string): Usage {
  const counts = recentWeeks(weeks, monday).flatMap((w) => w.counts[slot] ?? []);
  return { usual: median(counts), peak: Math.max(0, ...counts), weeks: counts.length };
}

/** In so many weeks something was counted. */
export function countedWeeks({ weeks }: Pick<History, 'weeks'>, monday: string): number {
  return recentWeeks(weeks, monday).length;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = low] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return Math.round((low + high) / 2);
}
