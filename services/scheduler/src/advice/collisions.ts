import { DAY_MS } from '@lastcall/kernel';
import { occurrencesAfter } from '../series.js';

/*
 * What else an installation has to do. It has one run at a time: of two that are due within each other's length one is skipped.
 */

export interface Other {
  readonly job: string;
  /** Empty: a job that is going to fire. */
  readonly run: string;
  readonly lengthMs: number;
  /** When it is due next, or has begun. */
  readonly at: number;
  /** Later times too, in the zone. */
  readonly cron?: string;
}

export interface Occupied {
  readonly job: string;
  readonly run: string;
  readonly from: number;
  readonly until: number;
}

const MOST = 20;
/** Times of a series that are compared; one of a job that is due at every minute is enough. */
const TIMES = 40;

/** What is in the way of something that begins at these times and takes so long; the earliest of each other one. */
export function collisionsOf(
  times: readonly number[],
  lengthMs: number,
  others: readonly Other[],
  timeZone: string,
): readonly Occupied[] {
  const found = others.flatMap((other) => {
    for (const at of times.slice(0, TIMES)) {
      const hit = occupiedIn(other, at, at + lengthMs, timeZone);
      if (hit) return [hit];
    }
    return [];
  });
  return found.toSorted((a, b) => a.from - b.from).slice(0, MOST);
}

/** The first time of the other one that overlaps with the span. */
function occupiedIn(other: Other, from: number, until: number, timeZone: string): Occupied | undefined {
  const { job, run, lengthMs, at, cron } = other;
  const occupied = (start: number): Occupied => ({ job, run, from: start, until: start + lengthMs });
  if (at < until && from < at + lengthMs) return occupied(at);
  if (cron === undefined || until <= at) return undefined;
  for (const next of occurrencesAfter(Math.max(at, from - lengthMs), cron, timeZone)) {
    return next.at < until ? occupied(next.at) : undefined;
  }
  return undefined;
}

/** Each has to be looked up in the zone. */
const TIMES_OF_ALL = 2_000;

/** Everything that is going on or due in a span of days, in order. */
export function occupiedBetween(
  from: number,
  until: number,
  others: readonly Other[],
  timeZone: string,
): readonly Occupied[] {
  const most = Math.min(Math.ceil((until - from) / DAY_MS) * 4, Math.ceil(TIMES_OF_ALL / Math.max(1, others.length)));
  return others
    .flatMap(({ job, run, lengthMs, at, cron }) => {
      const starts = at < until && from < at + lengthMs ? [at] : [];
      if (cron !== undefined) {
        for (const next of occurrencesAfter(Math.max(at, from - lengthMs), cron, timeZone)) {
          if (next.at >= until || starts.length >= most) break;
          starts.push(next.at);
        }
      }
      return starts.map((start) => ({ job, run, from: start, until: start + lengthMs }));
    })
    .toSorted((a, b) => a.from - b.from);
}
