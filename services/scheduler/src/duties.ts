import { createDueDuty, type Duty } from '@lastcall/runtime';
import type { Store } from '@lastcall/store';
import { DUE, type Documents } from './documents.js';
import type { Firings } from './firings.js';
import type { IdleAnswer, IdleStarts } from './idle-starts.js';
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

interface DutyParts {
  readonly store: Store;
  readonly documents: Documents;
  readonly firings: Firings;
  readonly idleStarts: IdleStarts;
  readonly runs: Runs;
}

export function createDuties({ store, documents, firings, idleStarts, runs }: DutyParts): Duties {
  const resolver = createDueDuty({
    ...{ name: 'firing-resolver', everyMs: 2_000, store, collection: documents.firings, index: DUE },
    dueAtOf: ({ nominalAt }) => nominalAt,
    look: async ({ id }) => {
      await firings.resolve(id);
    },
  });
  const claimer = createDueDuty({
    ...{ name: 'firing-claimer', everyMs: 1_000, store, collection: documents.jobs, index: DUE },
    dueAtOf: ({ state }) => (state.phase === 'enabled' ? state.dueAt : undefined),
    look: async (document, now) => {
      const { state } = document.data;
      const isIdle = state.phase === 'enabled' && state.definition.start.kind === 'when-idle';
      const answer: IdleAnswer = isIdle ? await idleStarts.look(document, now) : { due: true };
      if (!answer.due && answer.missed === undefined) return;
      await firings.claim(document, answer.due ? undefined : answer.missed);
      resolver.wake?.();
    },
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
