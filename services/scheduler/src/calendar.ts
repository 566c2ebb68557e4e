import { DAY_MS, MINUTE_MS, type LocalTime } from '@lastcall/kernel';

/*
 * Between local times of a zone and instants. A local time that daylight saving leaves out means the first instant
 * after the gap; one that happens twice means the first. Both are told, so that whoever saves a job knows.
 */

export interface ResolvedTime {
  readonly at: number;
  /** What is odd about it, for people; none for an ordinary time. */
  readonly notes: readonly string[];
}

const LOCAL = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2}))?$/;

/** Beyond these years zones, series and windows have no meaning that anybody could check. */
const YEARS = { from: 2000, to: 2999 } as const;

/**
 * `YYYY-MM-DDTHH:MM` or with `:SS` → with seconds; undefined when it is no date and time of the calendar, or not of the years 2000 to 2999.
 * The second 60 is none: clocks of machines do not show it.
 */
export function normalizeLocalTime(text: string): string | undefined {
  const match = LOCAL.exec(text);
  if (!match || Number(match[1]) < YEARS.from || Number(match[1]) > YEARS.to) return undefined;
  const full = match[6] === undefined ? `${text}:00` : text;
  const utc = new Date(`${full}Z`);
  // A date such as 31 February is rolled over by Date; then it does not come back the same.
  return Number.isNaN(utc.getTime()) || utc.toISOString().slice(0, 19) !== full ? undefined : full;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'short',
    era: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  formats.set(timeZone, format);
  return format;
}

function partsOf(at: number, timeZone: string): Readonly<Record<string, string>> {
  const parts: Record<string, string> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(at)) parts[type] = value;
  return { ...parts, year: (parts['year'] ?? '').padStart(4, '0') };
}

/** The instant as local date and time, `YYYY-MM-DDTHH:MM:SS`. */
export function localTimeOf(at: number, timeZone: string): string {
  const p = partsOf(at, timeZone);
  return `${p['year']}-${p['month']}-${p['day']}T${p['hour']}:${p['minute']}:${p['second']}`;
}

/** The instant as weekday, date and time of day, for business hours. */
export function localDayOf(at: number, timeZone: string): LocalTime {
  const p = partsOf(at, timeZone);
  return {
    weekday: (p['weekday'] ?? '').toLowerCase().slice(0, 3),
    date: `${p['year']}-${p['month']}-${p['day']}`,
    time: `${p['hour']}:${p['minute']}`,
  };
}

/** What a clock of the zone shows beyond that of UTC, in milliseconds. */
function offsetAt(at: number, timeZone: string): number {
  const p = partsOf(at, timeZone);
  const number = (part: string): number => Number(p[part]);
  // A day before the year 1 and after 9999, which have no text that could be read, are asked for too.
  const year = p['era'] === 'BC' ? 1 - number('year') : number('year');
  const shown = new Date(0);
  shown.setUTCFullYear(year, number('month') - 1, number('day'));
  shown.setUTCHours(number('hour'), number('minute'), number('second'));
  return shown.getTime() - at;
}

/** When a normalized local time happens in a zone. */
export function resolveLocalTime(localTime: string, timeZone: string): ResolvedTime {
  const asUtc = Date.parse(`${localTime}Z`);
  // By the zone's time before a change of the clocks that may be near, and by that after it: no offset is over 15 hours.
  const before = asUtc - offsetAt(asUtc - DAY_MS, timeZone);
  const after = asUtc - offsetAt(asUtc + DAY_MS, timeZone);
  if (before === after) return { at: before, notes: [] };
  const [first, second] = [before, after]
    .filter((at) => localTimeOf(at, timeZone) === localTime)
    .toSorted((a, b) => a - b);
  if (first === undefined) {
    const at = firstAfterGap(localTime, timeZone, asUtc);
    const text = `${localTime} does not exist in ${timeZone} (the clocks go forward); it means ${localTimeOf(at, timeZone)}`;
    return { at, notes: [text] };
  }
  if (second === undefined) return { at: first, notes: [] };
  const text = `${localTime} happens twice in ${timeZone} (the clocks go back); it means the first`;
  return { at: first, notes: [text] };
}

/** The first instant whose local time is past the one that does not exist: gaps begin and end on whole minutes. */
function firstAfterGap(localTime: string, timeZone: string, near: number): number {
  let before = Math.floor((near - DAY_MS) / MINUTE_MS);
  let after = Math.ceil((near + DAY_MS) / MINUTE_MS);
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (localTimeOf(middle * MINUTE_MS, timeZone) < localTime) before = middle;
    else after = middle;
  }
  return after * MINUTE_MS;
}
