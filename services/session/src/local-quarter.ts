import { DAY_MS } from '@lastcall/kernel';
import { QUARTERS_OF_DAY, type LocalQuarter } from './domain/history.js';

/* Between instants and quarter hours of a zone's calendar, and their names on the wire. */

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const parts = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const;
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hourCycle: 'h23', ...parts });
  formats.set(timeZone, format);
  return format;
}

/** The quarter hour that a clock of the zone shows. */
export function localQuarterAt(at: number, timeZone: string): LocalQuarter {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = parts;
  const midnight = Date.UTC(year, month - 1, day);
  const weekday = (new Date(midnight).getUTCDay() + 6) % WEEKDAYS.length;
  const monday = new Date(midnight - weekday * DAY_MS).toISOString().slice(0, 10);
  return { monday, slot: weekday * QUARTERS_OF_DAY + hour * 4 + Math.floor(minute / 15) };
}

/** `mon` and `HH:MM` of a slot. */
export function namesOfSlot(slot: number): { weekday: string; time: string } {
  const ofDay = slot % QUARTERS_OF_DAY;
  const two = (n: number): string => String(n).padStart(2, '0');
  const time = `${two(Math.floor(ofDay / 4))}:${two((ofDay % 4) * 15)}`;
  return { weekday: WEEKDAYS[Math.floor(slot / QUARTERS_OF_DAY)] ?? '', time };
}

/** Undefined when it names no quarter hour of a week. */
export function slotOf({ weekday, time }: { weekday: string; time: string }): number | undefined {
  const day = WEEKDAYS.findIndex((name) => name === weekday);
  const match = /^([01]\d|2[0-3]):(00|15|30|45)$/.exec(time);
  return day < 0 || !match ? undefined : day * QUARTERS_OF_DAY + Number(match[1]) * 4 + Number(match[2]) / 15;
}
