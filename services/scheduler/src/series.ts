import { Cron } from 'croner';
import { localTimeOf, resolveLocalTime, type ResolvedTime } from './calendar.js';

/*
 * Times that come again and again: a cron expression of five fields over the local times of a zone. It is worked out on a calendar without a
 * zone; each local time that it names is then resolved as a single one is (calendar.ts). So one that daylight saving leaves out means the first
 * instant after the gap, and one that happens twice happens once, at the first.
 */

export interface Occurrence extends ResolvedTime {
  /** What the expression names, `YYYY-MM-DDTHH:MM:SS`; it may not exist that day. */
  readonly localTime: string;
}

const FIVE_FIELDS = { mode: '5-part', timezone: 'UTC' } as const;
const MAX_CHARS = 100;

/** Why the text is no series; undefined when it is one. */
export function seriesProblem(text: string): string | undefined {
  if (text.length > MAX_CHARS) return `has ${text.length} characters; allowed are ${MAX_CHARS}`;
  const wanted =
    'five fields are needed (minute, hour, day, month, weekday), such as "0 3 * * SUN#2" for the second Sunday at 03:00';
  const found = `is ${JSON.stringify(text)}`;
  if (normalizeSeries(text).split(' ').length !== 5) return `${found}; ${wanted}`;
  try {
    const next = new Cron(normalizeSeries(text), FIVE_FIELDS).nextRun(new Date(0));
    return next ? undefined : `${found}, which never comes; ${wanted}`;
  } catch (cause) {
    return `${found} (${(cause as Error).message.replace(/^\w+: /, '')}); ${wanted}`;
  }
}

/** One space between fields. */
export function normalizeSeries(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').toUpperCase();
}

/** Occurrences of a series that has no problem, after an instant, each later than the one before. */
export function* occurrencesAfter(after: number, cron: string, timeZone: string): Generator<Occurrence> {
  const calendar = new Cron(cron, FIVE_FIELDS);
  let last = after;
  let next = calendar.nextRun(new Date(`${localTimeOf(after, timeZone)}Z`));
  for (; next; next = calendar.nextRun(next)) {
    const localTime = next.toISOString().slice(0, 19);
    const resolved = resolveLocalTime(localTime, timeZone);
    // Several times of one gap mean the same instant, and those of an hour that comes again are over.
    if (resolved.at <= last) continue;
    last = resolved.at;
    yield { localTime, ...resolved };
  }
}

/** The next `count` occurrences; fewer when the calendar is over. */
export function nextOccurrences(count: number, after: number, cron: string, timeZone: string): readonly Occurrence[] {
  const found: Occurrence[] = [];
  for (const occurrence of occurrencesAfter(after, cron, timeZone)) {
    found.push(occurrence);
    if (found.length >= count) break;
  }
  return found;
}

/** Of a series that nobody served for long, so many times are counted. */
export const COUNTED_AT_MOST = 1_000;

/**
 * What a series comes to after a due time: its first time that is not too late, so that a long standstill leaves one record and not one for each
 * time. `passedOver` counts the times between, up to COUNTED_AT_MOST.
 */
export function comesAfter(
  dueAt: number,
  tooLateBefore: number,
  cron: string,
  timeZone: string,
): { readonly at: number; readonly passedOver: number } | undefined {
  let passedOver = 0;
  for (const { at } of occurrencesAfter(dueAt, cron, timeZone)) {
    if (at >= tooLateBefore) return { at, passedOver };
    passedOver += 1;
    if (passedOver === COUNTED_AT_MOST) break;
  }
  const [next] = nextOccurrences(1, tooLateBefore, cron, timeZone);
  return next && { at: next.at, passedOver };
}
