import { MINUTE_MS } from '@lastcall/kernel';
import { count } from './usage.js';

/*
 * How long a run will take, from those of the same type of the installation that succeeded.
 */

export interface Length {
  readonly medianMs: number;
  /** Nine of ten took no longer. */
  readonly p90Ms: number;
  /** 0: nothing was measured. */
  readonly runs: number;
  /** It is as long as its job says. */
  readonly isSaid?: true;
}

const ASSUMED_MS = 30 * MINUTE_MS;
export const ASSUMED: Length = { medianMs: ASSUMED_MS, p90Ms: ASSUMED_MS, runs: 0 };

/** From measured lengths, in milliseconds. */
export function lengthFrom(measuredMs: readonly number[]): Length {
  if (measuredMs.length === 0) return ASSUMED;
  const sorted = measuredMs.toSorted((a, b) => a - b);
  // The smallest one that so large a part does not exceed.
  const rank = (part: number): number => sorted[Math.ceil(part * sorted.length) - 1] ?? 0;
  return { medianMs: rank(0.5), p90Ms: rank(0.9), runs: sorted.length };
}

/** Of a maintenance window, which has its length in its definition; undefined: it is none. `reactionTimeMs`: the installation's. */
export function lengthSaid(
  job: { readonly closedForMs?: number; readonly reactionTimeMs?: number | undefined },
  reactionTimeMs: number,
): Length | undefined {
  if (job.closedForMs === undefined) return undefined;
  const lengthMs = job.closedForMs + (job.reactionTimeMs ?? reactionTimeMs);
  return { medianMs: lengthMs, p90Ms: lengthMs, runs: 0, isSaid: true };
}

export function lengthText({ medianMs, p90Ms, runs, isSaid }: Length): string {
  if (isSaid) return `takes ${spanText(medianMs)}: its reaction time and the time for which the gate is shut`;
  if (runs === 0) {
    return `no run of this kind has succeeded here yet, so nobody knows how long it takes; ${spanText(ASSUMED_MS)} are assumed`;
  }
  const spread = runs === 1 ? '' : `, nine of ten runs ${spanText(p90Ms)} at most`;
  return `takes about ${spanText(medianMs)}${spread} (measured: ${count(runs, 'run')})`;
}

function spanText(ms: number): string {
  if (ms < 2 * MINUTE_MS) return `${Math.max(1, Math.round(ms / 1_000))} s`;
  const minutes = Math.round(ms / MINUTE_MS);
  const rest = minutes % 60;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h${rest === 0 ? '' : ` ${rest} min`}`;
}
