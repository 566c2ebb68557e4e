import { createApprovals, type ServiceModule } from '@lastcall/runtime';
import { createBackupGauge } from './backup-gauge.js';
import { createBackups } from './backups.js';
import { openDocuments } from './documents.js';
import { createDuties } from './duties.js';
import { createHandlers } from './events.js';
import { createHistoryRemover } from './history-remover.js';
import { createRehearsals } from './rehearsals.js';
import { createReports } from './reports.js';
import { createRestores } from './restores.js';
import { createRotation } from './rotation.js';
import { createRpc } from './rpc.js';
import { preflightSettings, type PreflightSettings } from './settings.js';

/** Readiness and backups. Unknown is not ready. */
export const preflightModule: ServiceModule<PreflightSettings> = {
  name: 'preflight',
  settings: preflightSettings,
  create: async (context) => {
    const { store, settings } = context;
    const documents = await openDocuments(store);
    const reports = createReports(documents, settings);
    const backups = createBackups(documents, settings);
    const wakeReports = () => duties.reports.wake?.();
    const owners = {
      documents,
      reports,
      rehearsals: createRehearsals({ context, documents, reports, wakeReports }),
      backups,
      rotation: createRotation(context, documents, backups),
      restores: createRestores(documents, settings),
    };
    const duties = createDuties(store, owners);
    const approvals = await createApprovals(context);
    const parts = { ...owners, approvals, wakeReports };
    return {
      rpc: [createRpc(context, parts)],
      consumers: createHandlers(parts),
      duties: [
        duties.reports,
        ...duties.others,
        owners.rehearsals.duty,
        approvals.duty,
        createHistoryRemover(context, documents),
        ...(context.isObserved ? [createBackupGauge(context, documents)] : []),
      ],
    };
  },
};
