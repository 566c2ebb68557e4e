import { createDueDuty, type Duty, type DueDuty } from '@lastcall/runtime';
import type { Store } from '@lastcall/store';
import type { Claims } from './claims.js';
import { DUE, type Documents } from './documents.js';
import type { Firings } from './firings.js';
import type { Runs } from './runs.js';

/*
 * What is due: jobs become firings, firings become runs, runs that take too long are ended. All three by a due time in
 * the store and its clock; any replica may do any of it.
 */

export interface Duties {
  readonly jobs: Duty;
  readonly firings: Duty;
  readonly runs: Duty;
}

export interface DutyParts {
  readonly store: Store;
  readonly documents: Documents;
  readonly claims: Claims;
  readonly firings: Firings;
  readonly runs: Runs;
}

export function createDuties({ store, documents, claims, firings, runs }: DutyParts): Duties {
  const resolver = createDueDuty({
    ...{ name: 'firing-resolver', everyMs: 2_000, store, collection: documents.firings, index: DUE },
    dueAtOf: ({ nominalAt }) => nominalAt,
    look: async ({ id }) => {
      await firings.resolve(id);
    },
  });
  const claimer = createClaimer(store, documents, async (due) => {
    await claims.claim(due);
    resolver.wake?.();
  });
  const closer = createDueDuty({
    ...{ name: 'run-closer', everyMs: 5_000, store, collection: documents.runs, index: DUE },
    dueAtOf: ({ dueAt }) => dueAt,
    look: async ({ id, data: { state } }) => {
      const overdue = state.phase !== 'none' && state.phase !== 'ended' && state.cancelRequested;
      await runs.apply(id, (at) => (overdue ? { type: 'end-hard', at } : { type: 'expire', at }));
    },
  });
  return { jobs: claimer, firings: resolver, runs: closer };
}

export function createClaimer(store: Store, documents: Documents, claim: Claims['claim']): DueDuty {
  return createDueDuty({
    ...{ name: 'firing-claimer', everyMs: 1_000, store, collection: documents.jobs, index: DUE },
    dueAtOf: ({ state }) => (state.phase === 'enabled' ? state.dueAt : undefined),
    lookTogether: claim,
  });
}
