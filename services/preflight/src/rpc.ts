import {
  catalogV1,
  failureToWire,
  formatName,
  hostRole,
  preflightV1,
  schedulerV1,
  sessionV1,
} from '@lastcall/contracts';
import { checkId, collect, invalid, isRejected, randomId, reject, type Rejected } from '@lastcall/kernel';
import {
  type Approvals,
  bindRpc,
  nameOf,
  notFound,
  pageOf,
  readPage,
  type ReadPage,
  type RpcBinding,
  type ServiceContext,
} from '@lastcall/runtime';
import type { Collection, Document } from '@lastcall/store';
import { parsePolicy, reportBackup, verifyBackup } from './backup-rpc.js';
import { BY_INSTALLATION, restorePointName, type BackupDocument } from './documents.js';
import { serverOf } from './domain/facts.js';
import type { Parts } from './events.js';
import { beginningOnDemand, jobBeginning } from './occasions.js';
import { overrideHandlers } from './rpc-overrides.js';
import type { Beginning } from './reports.js';
import type { PreflightSettings } from './settings.js';
import { backupToWire, hostsOf, progressToWire, reportToWire } from './wire.js';

/*
 * Operators' edge of preflight: reports and backups on demand, and what there is.
 */

type Context = ServiceContext<PreflightSettings>;

export function createRpc(context: Context, parts: Parts & { readonly approvals: Approvals }): RpcBinding {
  const { reports, backups, restores } = parts.documents;
  return bindRpc(preflightV1.PreflightServiceService, {
    createReport: (request, { principal }) => createReport(context, parts, request, principal?.subject ?? ''),
    getReport: async ({ name }) => {
      const id = nameOf('report', name);
      if (isRejected(id)) return id;
      const found = await reports.get(id.report);
      if (found?.data.installation !== id.installation) return notFound('report', name);
      return { report: reportToWire(id.report, found.data) };
    },
    listReports: async (request) => {
      const page = await listOf(reports, request, ({ id, data }) => reportToWire(id, data));
      return isRejected(page) ? page : { reports: page.items, nextPageToken: page.nextPageToken };
    },
    createBackup: (request) => createBackup(context, parts, request),
    getBackup: async ({ name }) => {
      const found = await backupNamed(backups, name);
      return isRejected(found) ? found : { backup: backupToWire(found.id, found.data) };
    },
    listBackups: async (request) => {
      const parent = nameOf('installation', request.parent, 'parent');
      if (isRejected(parent)) return parent;
      const stays = await parts.rotation.protectedIn(parent.installation);
      const page = await listOf(backups, request, ({ id, data }) => backupToWire(id, data, stays.get(id)));
      return isRejected(page) ? page : { backups: page.items, nextPageToken: page.nextPageToken };
    },
    restoreBackup: (request) => restoreBackup(context, parts, request),
    ...overrideHandlers(context, parts.documents, parts.approvals),
    ...parts.approvals.handlers,
    getRestore: async ({ name }) => {
      const id = nameOf('restore', name);
      if (isRejected(id)) return id;
      const found = await restores.get(id.restore);
      if (found?.data.installation !== id.installation) return notFound('restore', name);
      const { state, failure, progress } = found.data;
      return {
        pending: state === 'pending',
        failure: failure && failureToWire(failure),
        ...progressToWire(progress),
      };
    },
    verifyBackup: async ({ name }) => {
      const found = await backupNamed(backups, name);
      return isRejected(found) ? found : verifyBackup(parts, found);
    },
    reportBackup: async (request, call) => {
      const installation = await installationNamed(context, request.parent);
      const id = nameOf('installation', request.parent, 'parent');
      if (isRejected(installation)) return installation;
      if (isRejected(id)) return id;
      const now = await context.store.now();
      return reportBackup(parts, request, { ...id, product: installation.product, now }, call);
    },
    getBackupPolicy: async ({ parent }) => {
      const installation = await installationNamed(context, parent);
      const id = nameOf('installation', parent, 'parent');
      if (isRejected(installation)) return installation;
      if (isRejected(id)) return id;
      return { policy: { keep: await parts.rotation.keepOf(id.installation) } };
    },
    updateBackupPolicy: async (request) => {
      const asked = parsePolicy(request);
      if (isRejected(asked)) return asked;
      const installation = await installationNamed(context, request.parent);
      if (isRejected(installation)) return installation;
      await parts.rotation.setKeep(asked.installation, asked.keep);
      return { policy: { keep: asked.keep } };
    },
  });
}

async function listOf<T extends object, R>(
  collection: Collection<T>,
  request: { readonly parent: string; readonly pageSize: number; readonly pageToken: string },
  toItem: (document: Document<T>) => R,
): Promise<ReadPage<R> | Rejected> {
  const parent = nameOf('installation', request.parent, 'parent');
  const page = pageOf(request);
  if (isRejected(parent)) return parent;
  if (isRejected(page)) return page;
  const where = { installation: parent.installation };
  return readPage(collection, { index: BY_INSTALLATION, where, order: 'descending' }, page, toItem);
}

async function backupNamed(
  backups: Collection<BackupDocument>,
  name: string,
): Promise<Document<BackupDocument> | Rejected> {
  const id = nameOf('backup', name);
  if (isRejected(id)) return id;
  const found = await backups.get(id.restore_point);
  return found?.data.installation === id.installation ? found : notFound('backup', name);
}

async function installationNamed(context: Context, parent: string): Promise<catalogV1.Installation | Rejected> {
  const id = nameOf('installation', parent, 'parent');
  if (isRejected(id)) return id;
  const catalog = context.client(catalogV1.CatalogServiceService);
  const { installation } = await catalog.getInstallation({ name: parent });
  return installation ?? notFound('installation', parent);
}

async function createReport(
  context: Context,
  parts: Parts,
  request: preflightV1.CreateReportRequest,
  by: string,
): Promise<preflightV1.CreateReportResponse | Rejected> {
  const beginning = await beginningOf(context, parts, request, by);
  if (isRejected(beginning)) return beginning;
  const report = randomId('p');
  await parts.reports.begin(report, beginning);
  parts.wakeReports();
  const stored = await parts.documents.reports.get(report);
  return { report: stored && reportToWire(report, stored.data) };
}

async function beginningOf(
  context: Context,
  { documents }: Parts,
  { parent, version, job }: preflightV1.CreateReportRequest,
  by: string,
): Promise<Beginning | Rejected> {
  const id = nameOf('installation', parent, 'parent');
  if (isRejected(id)) return id;
  const { installation } = id;
  if (job === '') return beginningOnDemand(context, documents, installation, version);
  const wrong = collect(
    checkId('job', job),
    version === ''
      ? undefined
      : { field: 'version', description: 'is given with a job, which has its own; leave one out' },
  );
  if (wrong.length > 0) return invalid(wrong);
  const next = await jobBeginning(context, documents, { installation, job });
  const { startAt, ...beginning } = next;
  const rehearsal = { job, ...(startAt !== undefined && { startAt }), why: 'asked' as const, requestedBy: by };
  return { ...beginning, rehearsal };
}

async function createBackup(
  context: Context,
  parts: Parts,
  request: preflightV1.CreateBackupRequest,
): Promise<preflightV1.CreateBackupResponse | Rejected> {
  const installation = await installationNamed(context, request.parent);
  if (isRejected(installation)) return installation;
  const id = nameOf('installation', request.parent, 'parent');
  if (isRejected(id)) return id;
  const server = serverOf(hostsOf(installation, hostRole.fromWire));
  if (!server) {
    const message = `${installation.name} has no host with the role server; join one: lastcall host join-token --role server`;
    return reject('refused', 'NO_SERVER', message);
  }
  const restorePoint = restorePointName(await context.store.now(), randomId('b'));
  const demand = { installation: id.installation, product: installation.product, host: server.host };
  return { backup: backupToWire(restorePoint, await parts.backups.beginOnDemand(restorePoint, demand)) };
}

async function restoreBackup(
  context: Context,
  parts: Parts,
  request: preflightV1.RestoreBackupRequest,
): Promise<preflightV1.RestoreBackupResponse | Rejected> {
  const found = await backupNamed(parts.documents.backups, request.name);
  if (isRejected(found)) return found;
  const { state, installation, product } = found.data;
  if (request.confirm !== found.id) {
    const description = `must repeat the restore point ${found.id}: everything entered since then is lost`;
    return invalid([{ field: 'confirm', description }]);
  }
  if (state.phase === 'reported') {
    const message = `${request.name} was made by a tool of your own; that tool can restore it`;
    return reject('refused', 'NOT_RESTORABLE', message);
  }
  if (state.phase !== 'taken' || state.host === '') {
    return reject(
      'refused',
      'NOT_RESTORABLE',
      `${request.name} holds no proven data; choose one of: lastcall backup list`,
    );
  }
  const busy = await whyBusy(context, installation);
  if (busy) return busy;
  const restore = randomId('rs');
  await parts.restores.begin(restore, { installation, product, restorePoint: found.id, host: state.host });
  return { name: formatName('restore', { installation, restore }) };
}

/** Data must not be replaced under the hands of users, or of a run. */
async function whyBusy(context: Context, installation: string): Promise<Rejected | undefined> {
  const parent = formatName('installation', { installation });
  const scheduler = context.client(schedulerV1.SchedulerServiceService);
  const { runs } = await scheduler.listRuns({ parent, pageSize: 1, pageToken: '', job: '' });
  const active = runs.find((r) => r.finishTime === undefined);
  if (active) return reject('refused', 'RUN_ACTIVE', `${active.name} is active; wait until it has ended`);
  const { count } = await context.client(sessionV1.SessionServiceService).countSessions({ parent });
  if (count === 0) return undefined;
  const message = `${count} users are logged in; log them off first: lastcall gate close`;
  return reject('refused', 'USERS_LOGGED_IN', message, { facts: { sessions: String(count) } });
}
