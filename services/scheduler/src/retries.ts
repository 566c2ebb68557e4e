import { MINUTE_MS, type RunOutcome } from '@lastcall/kernel';
import type { Length } from './advice/length.js';
import type { JobDocument, RunDocument, RunOrigin } from './documents.js';
import { estimateOf } from './window.js';

/*
 * Whether a run that did not succeed is tried again: when it failed before its install (or before hosts were told its command), as the job stood when it was opened, and while another
 * try fits into the window.
 */

export interface Retry extends RunOrigin {
  readonly nominalAt: number;
  readonly lateWithinMs: number;
}

export const RETRIES = { max: 5, pauseMs: 5 * MINUTE_MS } as const;

/** Undefined: no more. */
export function retryOf(
  job: JobDocument | undefined,
  run: RunDocument | undefined,
  outcome: RunOutcome | undefined,
  length: Length,
): Retry | undefined {
  if (outcome !== 'failed' || !job || job.state.phase === 'none' || run?.state.phase !== 'ended') return undefined;
  const { attempt = 0, revision, windowEndsAt } = run.origin ?? {};
  const { definition } = job.state;
  const { retries = 0, retryPauseMs = RETRIES.pauseMs, runIfLateWithinMs: lateWithinMs } = definition;
  // Somebody has taken the job in hand since.
  if (attempt >= retries || revision !== job.state.revision) return undefined;
  const { installing, commanding } = run.state.findings.phaseBegan ?? {};
  if (installing !== undefined || commanding !== undefined) return undefined;
  const nominalAt = run.state.finishedAt + retryPauseMs;
  if (windowEndsAt !== undefined && nominalAt + estimateOf(definition, length).ms > windowEndsAt) return undefined;
  return {
    ...{ nominalAt, lateWithinMs, attempt: attempt + 1, revision },
    ...(windowEndsAt !== undefined && { windowEndsAt }),
  };
}
