import { createDueDuty, type Duty, type DueDuty } from '@lastcall/runtime';
import type { Document, Store } from '@lastcall/store';
import { settleAll, type Claims } from './claims.js';
import { DUE, specOf, UNTOLD, type Documents, type FiringDocument, type JobDocument } from './documents.js';
import type { Firings } from './firings.js';
import type { IdleStarts } from './idle-starts.js';
import { firingNotification } from './notifications/notification.js';
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

export interface DutyParts {
  readonly store: Store;
  readonly documents: Documents;
  readonly claims: Claims;
  readonly firings: Firings;
  readonly idleStarts: IdleStarts;
  readonly runs: Runs;
  readonly notifications: Notifications;
}

export function createDuties(parts: DutyParts): Duties {
  const { store, documents, firings, runs } = parts;
  const teller = createTeller(parts);
  const resolver = createDueDuty({
    ...{ name: 'firing-resolver', everyMs: 2_000, store, collection: documents.firings, index: DUE },
    dueAtOf: ({ nominalAt }) => nominalAt,
    look: async ({ id }) => {
      await firings.resolve(id);
      teller.wake?.();
    },
  });
  const claimer = createClaimer(store, documents, async (due, now) => {
    await claimDue(parts, due, now);
    resolver.wake?.();
  });
  const closer = createDueDuty({
    ...{ name: 'run-closer', everyMs: 5_000, store, collection: documents.runs, index: DUE },
    dueAtOf: ({ dueAt }) => dueAt,
    about: ({ data: { state } }) => specOf(state) ?? {},
    look: async ({ id, data: { state } }) => {
      const overdue = state.phase !== 'none' && state.phase !== 'ended' && state.cancelRequested;
      await runs.apply(id, (at) => (overdue ? { type: 'end-hard', at } : { type: 'expire', at }));
    },
  });
  return { jobs: claimer, firings: resolver, runs: closer, untold: teller };
}

/** Tells of firings that led to no run. Told first: a repeat is the same notification. */
function createTeller({ store, documents, notifications }: DutyParts): DueDuty {
  return createDueDuty({
    ...{ name: 'firing-teller', everyMs: 5_000, store, collection: documents.firings, index: UNTOLD },
    dueAtOf: ({ untoldAt }) => untoldAt,
    look: async ({ id, data }: Document<FiringDocument>) => {
      await notifications.tell(firingNotification(id, data));
      await documents.firings.change(id, (current) => {
        if (current?.untoldAt === undefined) return { keep: undefined };
        const { untoldAt: _, ...told } = current;
        return { write: told, result: undefined };
      });
    },
  });
}

type LookAtDue = (due: readonly Document<JobDocument>[], now: number) => Promise<void>;

export function createClaimer(store: Store, documents: Documents, lookTogether: LookAtDue): DueDuty {
  return createDueDuty({
    ...{ name: 'firing-claimer', everyMs: 1_000, store, collection: documents.jobs, index: DUE },
    dueAtOf: ({ state }) => (state.phase === 'enabled' ? state.dueAt : undefined),
    lookTogether,
  });
}

/** Jobs that wait for nobody to be logged in are due when somebody looks at the users again. */
async function claimDue(
  { claims, idleStarts }: DutyParts,
  due: readonly Document<JobDocument>[],
  now: number,
): Promise<void> {
  const { idle = [], timed = [] } = Object.groupBy(due, ({ data: { state } }) =>
    state.phase === 'enabled' && state.definition.start.kind === 'when-idle' ? 'idle' : 'timed',
  );
  const lookAt = async (document: Document<JobDocument>): Promise<void> => {
    const answer = await idleStarts.look(document, now);
    if (answer.due) await claims.claim([document]);
    else if (answer.missed !== undefined) await claims.claim([document], answer.missed);
  };
  await settleAll([claims.claim(timed), ...idle.map(lookAt)]);
}
