import { createDueDuty, type Duty } from '@lastcall/runtime';
import type { Store } from '@lastcall/store';
import { DUE, UNTOLD, type Documents } from './documents.js';
import type { Firings } from './firings.js';
import { firingNotice } from './notifications/notice.js';
import type { Notifications } from './notifications/notifications.js';
import type { Runs } from './runs.js';

/*
 * What is due: jobs become firings, firings become runs or are told to have led to none, runs that take too long are ended. All by a
 * due time in the store and its clock; any replica may do any of it.
 */

export interface Duties {
  readonly jobs: Duty;
  readonly firings: Duty;
  readonly runs: Duty;
  readonly untold: Duty;
}

interface DutyParts {
  readonly store: Store;
  readonly documents: Documents;
  readonly firings: Firings;
  readonly runs: Runs;
  readonly notifications: Notifications;
}

export function createDuties({ store, documents, firings, runs, notifications }: DutyParts): Duties {
  const teller = createDueDuty({
    ...{ name: 'firing-teller', everyMs: 5_000, store, collection: documents.firings, index: UNTOLD },
    dueAtOf: ({ untoldAt }) => untoldAt,
    // Told first: a repeat is the same notice.
    look: async ({ id, data }) => {
      await notifications.tell(firingNotice(id, data));
      await documents.firings.change(id, (current) => {
        if (current?.untoldAt === undefined) return { keep: undefined };
        const { untoldAt: _, ...told } = current;
        return { write: told, result: undefined };
      });
    },
  });
  const resolver = createDueDuty({
    ...{ name: 'firing-resolver', everyMs: 2_000, store, collection: documents.firings, index: DUE },
    dueAtOf: ({ nominalAt }) => nominalAt,
    look: async ({ id }) => {
      await firings.resolve(id);
      teller.wake?.();
    },
  });
  const claimer = createDueDuty({
    ...{ name: 'firing-claimer', everyMs: 1_000, store, collection: documents.jobs, index: DUE },
    dueAtOf: ({ state }) => (state.phase === 'enabled' ? state.dueAt : undefined),
    look: async (document) => {
      await firings.claim(document);
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
  return { jobs: claimer, firings: resolver, runs: closer, untold: teller };
}
