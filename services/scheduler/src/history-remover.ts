import { DAY_MS, HOUR_MS } from '@lastcall/kernel';
import type { Duty, ServiceContext } from '@lastcall/runtime';
import { pagesOf, type Collection, type Query } from '@lastcall/store';
import { CREATED, NOMINAL, type Documents } from './documents.js';
import { ENDED, type NotificationDocuments } from './notifications/documents.js';
import type { SchedulerSettings } from './settings.js';

/*
 * Removes what has been kept for long enough: runs that have ended, with their reports, firings that were decided, and notifications
 * that have ended. What is still going on stays, however old it is.
 */

const PAGE = 500;
const DELIVERIES_MS = 30 * DAY_MS;

type Context = Pick<ServiceContext<SchedulerSettings>, 'store' | 'settings' | 'log'>;

export function createHistoryRemover(context: Context, documents: Documents, told: NotificationDocuments): Duty {
  const { store, settings, log } = context;
  return {
    name: 'history-remover',
    everyMs: HOUR_MS,
    runOnce: async (signal) => {
      const now = await store.now();
      const before = now - settings.keepRunsMs;
      const removed = {
        runs: await removeOld(
          documents.runs,
          CREATED,
          'created_at',
          before,
          ({ state }) => state.phase === 'ended',
          signal,
        ),
        firings: await removeOld(documents.firings, NOMINAL, 'nominal_at', before, isDecided, signal),
        deliveries: await removeOld(told.deliveries, ENDED, 'ended_at', now - DELIVERIES_MS, () => true, signal),
      };
      if (Object.values(removed).some((count) => count > 0))
        log.info(removed, 'what was kept for long enough was removed');
      return undefined;
    },
  };
}

function isDecided({ fate, untoldAt }: { readonly fate: string; readonly untoldAt?: number }): boolean {
  return fate !== 'pending' && untoldAt === undefined;
}

async function removeOld<T extends object>(
  collection: Collection<T>,
  index: string,
  field: string,
  below: number,
  mayGo: (data: T) => boolean,
  signal: AbortSignal,
): Promise<number> {
  const query: Omit<Query, 'pageToken'> = { index, range: { field, below }, limit: PAGE };
  let removed = 0;
  for await (const page of pagesOf(collection, query)) {
    if (signal.aborted) break;
    const ids = page.filter(({ data }) => mayGo(data)).map(({ id }) => id);
    if (ids.length > 0) removed += await collection.removeMany(ids);
  }
  return removed;
}
