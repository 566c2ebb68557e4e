import { durationToMs } from '@lastcall/contracts';

/* Times as people read and write them: always in a zone, and the zone is always named. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Zone of this machine, for what belongs to no installation. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `2026-12-24T22:00:00` on the clocks of the zone. */
export function localTime(date: Date, zone: string): string {
  const parts = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
  return parts.format(date).replace(' ', 'T');
}

/** `2026-12-24 22:00:00`, for a column whose heading names the zone. */
export function timeIn(date: Date | undefined, zone: string): string {
  return date ? localTime(date, zone).replace('T', ' ') : '';
}

/** `2026-12-24 22:00:00 (Europe/Berlin)`. */
export function time(date: Date | undefined, zone: string): string | undefined {
  return date && `${timeIn(date, zone)} (${zone})`;
}

/** `22:00:00`, beside a line that names zone and day. */
export function clock(date: Date | undefined, zone: string): string {
  return date ? localTime(date, zone).slice(11) : '--:--:--';
}

/** `2 h 5 min`, `12 s`, `0 s`. */
export function span(ms: number): string {
  const [h, min, s] = [Math.floor(ms / HOUR_MS), Math.floor((ms % HOUR_MS) / MINUTE_MS), (ms % MINUTE_MS) / SECOND_MS];
  const seconds = ms < 10 * SECOND_MS && !Number.isInteger(s) ? s.toFixed(1) : String(Math.round(s));
  const parts = [
    h ? `${h} h` : '',
    min ? `${min} min` : '',
    h === 0 && (Number(seconds) || !min) ? `${seconds} s` : '',
  ];
  return parts.filter(Boolean).join(' ');
}

/** A wire duration in words; undefined when absent. */
export function spanOf(duration: { seconds: bigint; nanos: number } | undefined): string | undefined {
  const ms = durationToMs(duration);
  return ms === undefined ? undefined : span(ms);
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  m: MINUTE_MS,
  min: MINUTE_MS,
  h: HOUR_MS,
  d: 24 * HOUR_MS,
};

/** Milliseconds of `30s`, `5m`, `1h30m`; undefined when it is none. */
export function parseSpan(text: string): number | undefined {
  const compact = text.replaceAll(/\s+/g, '');
  if (!/^(\d+(ms|s|min|m|h|d))+$/.test(compact)) return undefined;
  return [...compact.matchAll(/(\d+)(ms|s|min|m|h|d)/g)].reduce(
    (ms, [, n, unit]) => ms + Number(n) * (UNITS[unit ?? ''] ?? 0),
    0,
  );
}

const LOCAL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/;
const EXACT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/;

/** `2026-12-24T22:00` in the zone, or with `Z` or an offset; the earlier one where the clocks go back. Undefined when it is no time. */
export function instantOf(text: string, zone: string): Date | undefined {
  if (EXACT.test(text)) return valid(Date.parse(text));
  if (!LOCAL.test(text)) return undefined;
  const asUtc = Date.parse(`${text}Z`);
  if (Number.isNaN(asUtc)) return undefined;
  // Offsets of zones are at most 14 hours, and the one that holds is that of the instant itself.
  const offsets = [-1, 1].map((days) => offsetAt(asUtc + days * 24 * HOUR_MS, zone));
  const fits = offsets.map((offset) => asUtc - offset).filter((at) => at + offsetAt(at, zone) === asUtc);
  return fits.length === 0 ? undefined : new Date(Math.min(...fits));
}

function offsetAt(at: number, zone: string): number {
  const whole = Math.floor(at / SECOND_MS) * SECOND_MS;
  return Date.parse(`${localTime(new Date(whole), zone)}Z`) - whole;
}

function valid(at: number): Date | undefined {
  return Number.isNaN(at) ? undefined : new Date(at);
}
