import { randomId, type RunSpec } from '@lastcall/kernel';
import type { Document, Store } from '@lastcall/store';
import { firingId, type Documents, type FiringDocument, type JobDocument } from './documents.js';
import { skipOf } from './domain/job.js';
import { idleFiringId } from './idle-starts.js';
import { jobChange } from './job-change.js';
import type { Retry } from './retries.js';
import { comesAfter } from './series.js';
import { lateWithinOf, windowOf } from './window.js';

/*
 * The decision that a job is due, made once: its firing is written, then the job goes on to its next due time. What becomes of a firing is
 * decided in firings.ts.
 */

export interface Claims {
  /** For jobs that are due: their firings in one write, then each job goes on. `missed`: their fate is decided, and why. */
  claim(due: readonly Document<JobDocument>[], missed?: string): Promise<void>;
  /** The firing of a start by hand, with what was confirmed for it, or by another job; `cause` makes a repeat harmless. Answers its id. */
  start(job: JobDocument, cause: string, by: string, byHand?: ByHand): Promise<string>;
  /** The firing of another try after a run that failed. */
  retry(failed: RunSpec, retry: Retry): Promise<void>;
}

export type ByHand = Pick<FiringDocument, 'confirmations' | 'traceparent'>;

/** A start by hand is now or never. */
const BY_HAND_MS = 60_000;

interface Claim {
  readonly job: string;
  readonly dueAt: number;
  readonly nextDueAt: number | undefined;
  readonly firing: { readonly id: string; readonly data: FiringDocument };
}

export function createClaims({ store, documents }: { readonly store: Store; readonly documents: Documents }): Claims {
  return {
    claim: async (due, missed) => {
      const now = await store.now();
      const claims = due.flatMap((document) => claimOf(document, now, missed) ?? []);
      await documents.firings.insertMany(claims.map(({ firing }) => firing));
      await settleAll(claims.map((claim) => advance(documents, claim)));
    },
    start: async ({ installation, job, state }, cause, by, byHand) => {
      const id = firingId(installation, job, cause === '' ? `now/${randomId('s')}` : cause);
      const kept = { revision: state.revision ?? 0, ...byHand };
      const firing = { installation, job, nominalAt: await store.now(), by, lateWithinMs: BY_HAND_MS, ...kept };
      await documents.firings.insertMany([{ id, data: pending(firing) }]);
      return id;
    },
    retry: async (failed, { nominalAt, lateWithinMs, ...origin }) => {
      const { installation, job, run, requestedBy } = failed;
      const id = firingId(installation, job, `retry/${run}`);
      const firing = { installation, job, nominalAt, lateWithinMs, by: requestedBy, ...origin };
      await documents.firings.insertMany([{ id, data: pending(firing) }]);
    },
  };
}

function pending(firing: Omit<FiringDocument, 'fate' | 'run' | 'reason'>): FiringDocument {
  return { ...firing, fate: 'pending', run: '', reason: '' };
}

function claimOf({ id, data }: Document<JobDocument>, now: number, missed?: string): Claim | undefined {
  const { installation, job, state, timeZone = 'UTC', traceparent } = data;
  if (state.phase !== 'enabled') return undefined;
  const { dueAt, revision, definition, enabledBy } = state;
  const lateWithinMs = lateWithinOf(definition, dueAt, timeZone);
  const { endsAt: windowEndsAt } = windowOf(definition, dueAt, timeZone);
  const next = comesNext(data, dueAt, now - lateWithinMs);
  const skipped = skipOf(state);
  const firing: FiringDocument = {
    ...pending({ installation, job, nominalAt: dueAt, by: enabledBy, lateWithinMs, passedOver: next?.passedOver ?? 0 }),
    revision,
    ...(windowEndsAt !== undefined && { windowEndsAt }),
    ...(traceparent !== undefined && definition.start.kind === 'immediate' && { traceparent }),
    ...(skipped && { skipBecause: `${skipped.by} had said to skip it` }),
    ...(missed !== undefined && { fate: 'missed', reason: missed, untoldAt: now }),
  };
  const isIdle = definition.start.kind === 'when-idle';
  const firingOf = isIdle
    ? idleFiringId(installation, job, revision)
    : firingId(installation, job, `${revision}/${dueAt}`);
  return { job: id, dueAt, nextDueAt: next?.at, firing: { id: firingOf, data: firing } };
}

function comesNext({ state, timeZone }: JobDocument, dueAt: number, tooLateBefore: number) {
  if (state.phase !== 'enabled' || state.definition.start.kind !== 'series' || timeZone === undefined) return undefined;
  return comesAfter(dueAt, tooLateBefore, state.definition.start.cron, timeZone);
}

async function advance({ jobs }: Documents, { job, dueAt: nominalAt, nextDueAt }: Claim): Promise<void> {
  const command = { type: 'advance', nominalAt, ...(nextDueAt !== undefined && { nextDueAt }) } as const;
  await jobs.change(job, (current) => (current ? jobChange(current, command) : { keep: undefined }));
}

/** One that fails holds up no other. */
export async function settleAll(writes: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).filter(({ status }) => status === 'rejected');
  if (failed.length === 0) return;
  const reasons = failed.map((one) => (one as PromiseRejectedResult).reason as unknown);
  throw new AggregateError(reasons, `${failed.length} of ${writes.length} failed`);
}
