import { schedulerV1 } from '@lastcall/contracts';
import { bindRpc, type ServiceModule } from '@lastcall/runtime';
import { createClaims } from './claims.js';
import { createUnconnected } from './connections.js';
import { dryRunHandlers } from './dry-run.js';
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
import { createCountUsers, createIdleStarts } from './idle-starts.js';
import { createPauses } from './pauses.js';
import { createPostponements } from './postponements.js';
import { openRehearsals } from './rehearsals.js';
import { enablingHandlers } from './rpc-enabling.js';
import { jobHandlers } from './rpc-jobs.js';
import { pauseHandlers } from './rpc-pauses.js';
import { runHandlers } from './rpc-runs.js';
import { createRunChanges } from './run-changes.js';
import { createRunGauge } from './run-gauge.js';
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
    const claims = createClaims({ store, documents });
    const pauses = createPauses(store, documents);
    const firings = createFirings({
      ...{ store, documents, runs, catalog, pauses },
      onOpened: (lateMs) => context.measure('firing_lateness_seconds', lateMs / 1_000),
    });
    const jobs = createJobs(context, documents, catalog);
    const postponements = createPostponements(documents, catalog);
    const rehearsals = await openRehearsals(store);
    const told = await openNotificationDocuments(store);
    const deliverer = createDeliverer(context, told);
    const notifications = createNotifications(told, store, () => deliverer.wake?.());
    const idleStarts = createIdleStarts(documents, createCountUsers(context));
    const duties = createDuties({ store, documents, claims, firings, idleStarts, runs, notifications });
    const wakeJobs = () => duties.jobs.wake?.();
    const unconnected = createUnconnected(context);
    const known = { catalog, pauses, rehearsals, unconnected };
    const jobParts = { context, store, documents, jobs, claims, firings, ...known, wakeJobs };
    const rpc = bindRpc(schedulerV1.SchedulerServiceService, {
      ...jobHandlers(jobParts),
      ...enablingHandlers(jobParts),
      ...dryRunHandlers({ context, documents, jobs, catalog, pauses, unconnected }),
      ...pauseHandlers({ store, catalog, pauses }),
      ...runHandlers({ context, documents, runs, changes }),
      ...notificationHandlers({ context, documents: told, notifications, catalog }),
    });
    return {
      rpc: [rpc],
      consumers: createHandlers({
        documents,
        runs,
        claims,
        postponements,
        rehearsals,
        withdrawals: createWithdrawals({ context, documents, runs, notifications }),
        notifications,
        wakeFirings: () => duties.firings.wake?.(),
      }),
      duties: [
        ...[duties.jobs, duties.firings, duties.runs, duties.untold],
        ...[deliverer, createLeaseRenewer(context, documents), createHistoryRemover(context, documents, told)],
        ...(context.isObserved
          ? [createRunGauge({ store, documents, gauge: (...said) => context.gauge(...said) })]
          : []),
      ],
      stop: () => changes.stop(),
    };
  },
};
