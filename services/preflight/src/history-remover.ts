import { HOUR_MS } from '@lastcall/kernel';
import { removeOld, type Duty, type ServiceContext } from '@lastcall/runtime';
import { CREATED, EXPIRED, type Documents } from './documents.js';
import type { PreflightSettings } from './settings.js';

/*
 * Removes what has been kept for long enough: reports, overrides that have expired, restores that have ended, and what is known of restore points
 * that are no more. A restore point that is there stays known, however old it is.
 */

type Context = Pick<ServiceContext<PreflightSettings>, 'store' | 'settings' | 'log'>;

const GONE: ReadonlySet<string> = new Set(['deleted', 'failed', 'abandoned']);

export function createHistoryRemover({ store, settings, log }: Context, documents: Documents): Duty {
  const { reports, backups, restores, overrides } = documents;
  return {
    name: 'history-remover',
    everyMs: HOUR_MS,
    runOnce: async (signal) => {
      const before = (await store.now()) - settings.keepReportsMs;
      const created = { index: CREATED, field: 'made_at', before };
      const isOver = ({ dueAt }: { readonly dueAt?: number }): boolean => dueAt === undefined;
      const removed = {
        reports: await removeOld(
          { ...created, collection: reports, mayGo: (data) => isOver(data) && data.state.phase !== 'asking' },
          signal,
        ),
        backups: await removeOld(
          { ...created, collection: backups, mayGo: (data) => isOver(data) && GONE.has(data.state.phase) },
          signal,
        ),
        restores: await removeOld(
          { ...created, collection: restores, mayGo: (data) => isOver(data) && data.state !== 'pending' },
          signal,
        ),
        overrides: await removeOld(
          { collection: overrides, index: EXPIRED, field: 'expires_at', before, mayGo: () => true },
          signal,
        ),
      };
      if (Object.values(removed).some((count) => count > 0))
        log.info(removed, 'what was kept for long enough was removed');
      return undefined;
    },
  };
}
