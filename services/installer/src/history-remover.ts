import { HOUR_MS } from '@lastcall/kernel';
import { removeOld, type Duty, type ServiceContext } from '@lastcall/runtime';
import { BY_INSTALLATION, CREATED, type Documents } from './documents.js';
import type { InstallerSettings } from './settings.js';

/*
 * Removes plans that have been kept for long enough. The newest ones of each installation stay, however old they are: a host that comes back
 * catches up by them.
 */

type Context = Pick<ServiceContext<InstallerSettings>, 'store' | 'settings' | 'log'>;

/** Of each installation; more than a host that comes back is measured by. */
const NEWEST_KEPT = 100;
const ENDED: ReadonlySet<string> = new Set(['updated', 'rolled-back', 'quarantined', 'cancelled']);

export function createHistoryRemover({ store, settings, log }: Context, { plans }: Documents): Duty {
  const isAmongNewest = async (installation: string, id: string): Promise<boolean> => {
    const query = { index: BY_INSTALLATION, where: { installation }, order: 'descending', limit: NEWEST_KEPT } as const;
    return (await plans.query(query)).items.some((plan) => plan.id === id);
  };
  return {
    name: 'history-remover',
    everyMs: HOUR_MS,
    runOnce: async (signal) => {
      const before = (await store.now()) - settings.keepPlansMs;
      const removed = await removeOld(
        {
          ...{ collection: plans, index: CREATED, field: 'created_at', before },
          mayGo: async ({ installation, state, dueAt }, id) =>
            ENDED.has(state.phase) && dueAt === undefined && !(await isAmongNewest(installation, id)),
        },
        signal,
      );
      if (removed > 0) log.info({ plans: removed }, 'what was kept for long enough was removed');
      return undefined;
    },
  };
}
