import { randomId } from '@lastcall/kernel';
import type { Document, Store } from '@lastcall/store';
import { firingId, type Documents, type FiringDocument, type JobDocument } from './documents.js';
import { jobChange } from './job-change.js';
import { comesAfter } from './series.js';

/*
 * The decision that a job is due, made once: its firing is written, then the job goes on to its next due time. What becomes of a firing is
 * decided in firings.ts.
 */

export interface Claims {
  /** For jobs that are due: their firings in one write, then each job goes on. */
  claim(due: readonly Document<JobDocument>[]): Promise<void>;
  /** The firing of a start by hand or by another job; `cause` makes a repeat harmless. Answers its id. */
  start(job: JobDocument, cause: string, by: string): Promise<string>;
}

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
    claim: async (due) => {
      const now = await store.now();
      const claims = due.flatMap((document) => claimOf(document, now) ?? []);
      await documents.firings.insertMany(claims.map(({ firing }) => firing));
      await all(claims.map((claim) => advance(documents, claim)));
    },
    start: async ({ installation, job }, cause, by) => {
      const id = firingId(installation, job, cause === '' ? `now/${randomId('s')}` : cause);
      const firing = { installation, job, nominalAt: await store.now(), by, lateWithinMs: BY_HAND_MS };
      await documents.firings.insertMany([{ id, data: pending(firing) }]);
      return id;
    },
  };
}

function pending(firing: Omit<FiringDocument, 'fate' | 'run' | 'reason'>): FiringDocument {
  return { ...firing, fate: 'pending', run: '', reason: '' };
}

function claimOf({ id, data }: Document<JobDocument>, now: number): Claim | undefined {
  const { installation, job, state } = data;
  if (state.phase !== 'enabled') return undefined;
  const { dueAt, revision, definition, enabledBy } = state;
  const lateWithinMs = definition.runIfLateWithinMs;
  const next = comesNext(data, dueAt, now - lateWithinMs);
  const passedOver = next?.passedOver ?? 0;
  const firing = pending({ installation, job, nominalAt: dueAt, by: enabledBy, lateWithinMs, passedOver });
  const firingOf = { id: firingId(installation, job, `${revision}/${dueAt}`), data: firing };
  return { job: id, dueAt, nextDueAt: next?.at, firing: firingOf };
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
async function all(writes: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).filter(({ status }) => status === 'rejected');
  if (failed.length === 0) return;
  const reasons = failed.map((one) => (one as PromiseRejectedResult).reason as unknown);
  throw new AggregateError(reasons, `${failed.length} of ${writes.length} due jobs did not go on`);
}
