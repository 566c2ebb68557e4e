import { msToDuration } from '@lastcall/contracts';
import { Option } from 'commander';
import { UsageError } from './failures.js';
import { parseSpan } from './render/time.js';

/* Values of options, read once. Each refusal names the option and what is allowed. */

type WireDuration = { seconds: bigint; nanos: number };

/** `5m` as a wire duration; undefined when it was not given. */
export function durationOption(option: string, text: string | undefined): WireDuration | undefined {
  return text === undefined ? undefined : msToDuration(spanOption(option, text));
}

/** Milliseconds of `5m`. */
export function spanOption(option: string, text: string): number {
  const ms = parseSpan(text);
  if (ms === undefined) {
    throw new UsageError(`${option} is ${JSON.stringify(text)}; write a time span such as 30s, 5m or 1h30m`);
  }
  return ms;
}

export function wholeOption(option: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`${option} is ${JSON.stringify(text)}; allowed are ${min} to ${max}`);
}

/** An option that may be given several times. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, before: string[] | undefined) => [
    ...(before ?? []),
    value,
  ]);
}

export function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices);
}

const WEEK = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** `mon-fri 08:00-18:00` and `sat 09:00-13:00` as spans of days. */
export function hoursOption(text: string): { weekday: string; opens: string; closes: string }[] {
  const match = /^([a-z]{3})(?:-([a-z]{3}))? +(\d{2}:\d{2})-(\d{2}:\d{2})$/.exec(text.trim().toLowerCase());
  const [, first = '', last = first, opens = '', closes = ''] = match ?? [];
  const [from, to] = [WEEK.indexOf(first), WEEK.indexOf(last)];
  if (from < 0 || to < from) {
    throw new UsageError(`--hours is ${JSON.stringify(text)}; write "mon-fri 08:00-18:00" or "sat 09:00-13:00"`);
  }
  return WEEK.slice(from, to + 1).map((weekday) => ({ weekday, opens, closes }));
}
