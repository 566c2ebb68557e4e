import { DAY_MS, MINUTE_MS, type Violation } from '@lastcall/kernel';
import type { Length } from './advice/length.js';
import { localTimeOf, resolveLocalTime } from './calendar.js';
import type { JobDefinition, Start } from './domain/job.js';

/*
 * The window of a due time: until when a run may begin, and by when it has to be over. Both are local times of day, the first one after the due
 * time is meant; one that daylight saving leaves out or repeats is resolved as every local time is (calendar.ts).
 */

export interface Window {
  /** Undefined: `runIfLateWithinMs` of the job decides. */
  readonly latestStartAt: number | undefined;
  /** Undefined: it never ends. */
  readonly endsAt: number | undefined;
}

export function windowOf(definition: JobDefinition, dueAt: number, timeZone: string): Window {
  const { latestStart, windowEnd } = definition;
  return {
    latestStartAt: latestStart === undefined ? undefined : firstAfter(dueAt, latestStart, timeZone),
    endsAt: windowEnd === undefined ? undefined : firstAfter(dueAt, windowEnd, timeZone),
  };
}

/** How late a run of this due time may begin. */
export function lateWithinOf(definition: JobDefinition, dueAt: number, timeZone: string): number {
  const { latestStartAt } = windowOf(definition, dueAt, timeZone);
  return latestStartAt === undefined ? definition.runIfLateWithinMs : latestStartAt - dueAt;
}

/** Fewer runs say too little of how long the next one takes. */
const MEASURED_AT_LEAST = 5;

/** How long a run is expected to take at most, with what that is known from. `length`: as was measured for its installation. */
export function estimateOf({ maxRunTimeMs }: JobDefinition, { p90Ms, runs, isSaid }: Length) {
  if (isSaid) return { ms: p90Ms, from: 'its reaction time and the time for which the gate is shut' };
  if (runs < MEASURED_AT_LEAST || p90Ms >= maxRunTimeMs) return { ms: maxRunTimeMs, from: 'its maximum run time' };
  return { ms: p90Ms, from: `nine of ten of the last ${runs} runs took no longer` };
}

/** Why a run that begins now would not be over when the window ends; undefined when it would. */
export function noFit(
  estimate: ReturnType<typeof estimateOf>,
  now: number,
  endsAt: number,
  timeZone: string,
): string | undefined {
  const { ms, from } = estimate;
  if (now + ms <= endsAt) return undefined;
  const end = `its window ends at ${localTimeOf(endsAt, timeZone).slice(0, 16).replace('T', ' ')} (${timeZone})`;
  const left = now < endsAt ? `${minutes(endsAt - now)} are left` : 'which is over';
  return `it may take ${minutes(ms)} (${from}), and ${end}, ${left}`;
}

/** What is wrong with the window of a due time, whatever the time is then. */
export function windowProblems(
  definition: JobDefinition,
  dueAt: number,
  timeZone: string,
  reactionTimeMs: number,
): readonly Violation[] {
  if (definition.start.kind === 'when-idle') return idleWindowProblems(definition.start, timeZone, reactionTimeMs);
  const { latestStartAt, endsAt } = windowOf(definition, dueAt, timeZone);
  if (endsAt === undefined) return [];
  const field = 'job.window_end';
  const wrong: Violation[] = [];
  if (latestStartAt !== undefined && latestStartAt > endsAt) {
    const description = `the window ends at ${definition.windowEnd}, before its latest start ${definition.latestStart}; choose an end after it`;
    wrong.push({ field, description });
  }
  return [...wrong, ...tooShort(field, endsAt - dueAt, reactionTimeMs)];
}

type IdleStart = Extract<Start, { kind: 'when-idle' }>;

function idleWindowProblems({ windowOpens, windowCloses }: IdleStart, timeZone: string, reactionTimeMs: number) {
  const opensAt = resolveLocalTime(windowOpens, timeZone).at;
  const closesAt = resolveLocalTime(windowCloses, timeZone).at;
  return tooShort('job.start.when_idle.window_closes', closesAt - opensAt, reactionTimeMs);
}

function tooShort(field: string, lengthMs: number, reactionTimeMs: number): readonly Violation[] {
  if (lengthMs >= reactionTimeMs) return [];
  const description =
    `the window is ${minutes(lengthMs)} long, shorter than the reaction time of ${minutes(reactionTimeMs)}; ` +
    'choose a later end or a shorter reaction time';
  return [{ field, description }];
}

function firstAfter(after: number, timeOfDay: string, timeZone: string): number {
  const today = localTimeOf(after, timeZone).slice(0, 10);
  const { at } = resolveLocalTime(`${today}T${timeOfDay}:00`, timeZone);
  return at > after ? at : resolveLocalTime(`${dayAfter(today)}T${timeOfDay}:00`, timeZone).at;
}

function dayAfter(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10);
}

/** `2 h 5 min`; shorter than a minute in seconds. */
export function minutes(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.ceil(ms / 1_000)} s`;
  const total = Math.floor(ms / MINUTE_MS);
  const [hours, rest] = [Math.floor(total / 60), total % 60];
  return [hours > 0 ? `${hours} h` : '', rest > 0 ? `${rest} min` : ''].filter((part) => part !== '').join(' ');
}
