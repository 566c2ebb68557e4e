import { DAY_MS, HOUR_MS } from '@lastcall/kernel';
import { removeOld, type Duty, type ServiceContext } from '@lastcall/runtime';
import { CREATED, NOMINAL, type Documents } from './documents.js';
import { ENDED, type NotificationDocuments } from './notifications/documents.js';
import type { SchedulerSettings } from './settings.js';

/*
 * Removes what has been kept for long enough: runs that have ended, with their reports, firings that were decided, and notifications
 * that have ended. What is still going on stays, however old it is.
 */

const DELIVERIES_MS = 30 * DAY_MS;

type Context = Pick<ServiceContext<SchedulerSettings>, 'store' | 'settings' | 'log'>;

export function createHistoryRemover(context: Context, documents: Documents, told: NotificationDocuments): Duty {
  const { store, settings, log } = context;
  const { runs, firings } = documents;
  const { deliveries } = told;
  return {
    name: 'history-remover',
    everyMs: HOUR_MS,
    runOnce: async (signal) => {
      const now = await store.now();
      const before = now - settings.keepRunsMs;
      const removed = {
        runs: await removeOld(
          {
            collection: runs,
            index: CREATED,
            field: 'created_at',
            before,
            mayGo: ({ state }) => state.phase === 'ended',
          },
          signal,
        ),
        firings: await removeOld(
          { collection: firings, index: NOMINAL, field: 'nominal_at', before, mayGo: isDecided },
          signal,
        ),
        deliveries: await removeOld(
          { collection: deliveries, index: ENDED, field: 'ended_at', before: now - DELIVERIES_MS, mayGo: () => true },
          signal,
        ),
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
