import type { Duty } from '@lastcall/runtime';
import type { Collection, Document, Store } from '@lastcall/store';
import { DUE, type Documents } from './documents.js';
import type { Firings } from './firings.js';
import type { Runs } from './runs.js';

/*
 * What is due: jobs become firings, firings become runs, runs that take too long are ended. All three by a due time in
 * the store and its clock; any replica may do any of it.
 */

const PAGE = 100;

async function runDue<T extends object>(
  store: Store,
  collection: Collection<T>,
  look: (document: Document<T>) => Promise<void>,
  dueAtOf: (data: T) => number | undefined,
): Promise<number | undefined> {
  const now = await store.now();
  const { items } = await collection.query({ index: DUE, limit: PAGE });
  for (const document of items) {
    const dueAt = dueAtOf(document.data);
    if (dueAt !== undefined && dueAt > now) return dueAt;
    await look(document);
  }
  return items.length === PAGE ? now : undefined;
}

export interface Duties {
  readonly jobs: Duty;
  readonly firings: Duty;
  readonly runs: Duty;
}

export function createDuties(store: Store, documents: Documents, firings: Firings, runs: Runs): Duties {
  const resolver: Duty = {
    name: 'firing-resolver',
    everyMs: 2_000,
    runOnce: () =>
      runDue(
        store,
        documents.firings,
        async ({ id }) => {
          await firings.resolve(id);
        },
        (d) => d.nominalAt,
      ),
  };
  const claimer: Duty = {
    name: 'firing-claimer',
    everyMs: 1_000,
    runOnce: () =>
      runDue(
        store,
        documents.jobs,
        async (document) => {
          await firings.claim(document);
          resolver.wake?.();
        },
        ({ state }) => (state.phase === 'enabled' ? state.dueAt : undefined),
      ),
  };
  const closer: Duty = {
    name: 'run-closer',
    everyMs: 5_000,
    runOnce: () =>
      runDue(
        store,
        documents.runs,
        async ({ id, data: { state } }) => {
          const overdue = state.phase !== 'none' && state.phase !== 'ended' && state.cancelRequested;
          await runs.apply(id, (at) => (overdue ? { type: 'end-hard', at } : { type: 'expire', at }));
        },
        (d) => d.dueAt,
      ),
  };
  return { jobs: claimer, firings: resolver, runs: closer };
}
