import { schedulerV1 } from '@lastcall/contracts';
import { bindRpc, type ServiceModule } from '@lastcall/runtime';
import { openDocuments } from './documents.js';
import { createDuties } from './duties.js';
import { createHandlers } from './events.js';
import { createFirings } from './firings.js';
import { createHistoryRemover } from './history-remover.js';
import { createJobs } from './jobs.js';
import { createLeaseRenewer } from './lease-renewer.js';
import { createDeliverer } from './notifications/deliverer.js';
import { openNotificationDocuments } from './notifications/documents.js';
import { createNotifications } from './notifications/notifications.js';
import { notificationHandlers } from './notifications/rpc-notifications.js';
import { createPostponements } from './postponements.js';
import { jobHandlers } from './rpc-jobs.js';
import { runHandlers } from './rpc-runs.js';
import { createRunChanges } from './run-changes.js';
import { createRuns } from './runs.js';
import { schedulerSettings, type SchedulerSettings } from './settings.js';
import { createCatalog } from './spec.js';
import { createWithdrawals } from './withdrawals.js';

/** Jobs, firings, runs, run reports. */
export const schedulerModule: ServiceModule<SchedulerSettings> = {
  name: 'scheduler',
  settings: schedulerSettings,
  create: async (context) => {
    const { store, bus, settings, log } = context;
    const documents = await openDocuments(store);
    const changes = await createRunChanges(bus, (err) => log.warn({ err }, 'watchers of a run were not told'));
    const runs = createRuns(documents, settings, (run) => changes.say(run));
    const catalog = createCatalog(context);
    const firings = createFirings({ store, documents, runs, catalog });
    const jobs = createJobs(context, documents, catalog);
    const postponements = createPostponements(documents, catalog);
    const told = await openNotificationDocuments(store);
    const deliverer = createDeliverer(context, told);
    const notifications = createNotifications(told, store, () => deliverer.wake?.());
    const duties = createDuties({ store, documents, firings, runs, notifications });
    const wakeJobs = () => duties.jobs.wake?.();
    const rpc = bindRpc(schedulerV1.SchedulerServiceService, {
      ...jobHandlers({ documents, jobs, firings, catalog, wakeJobs }),
      ...runHandlers({ context, documents, runs, changes }),
      ...notificationHandlers({ context, documents: told, notifications }),
    });
    return {
      rpc: [rpc],
      consumers: createHandlers({
        documents,
        runs,
        firings,
        postponements,
        withdrawals: createWithdrawals({ context, documents, runs, notifications }),
        notifications,
        wakeFirings: () => duties.firings.wake?.(),
      }),
      duties: [
        ...[duties.jobs, duties.firings, duties.runs, duties.untold],
        ...[deliverer, createLeaseRenewer(context, documents), createHistoryRemover(context, documents, told)],
      ],
      stop: () => changes.stop(),
    };
  },
};
