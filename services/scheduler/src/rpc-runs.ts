import type { schedulerV1 } from '@lastcall/contracts';
import { formatName, preflightV1 } from '@lastcall/contracts';
import { checkId, checkText, invalid, isRejected, LIMITS, RejectedError, type Rejected } from '@lastcall/kernel';
import {
  nameOf,
  notFound,
  pageOf,
  readPage,
  type RpcContext,
  type RpcHandlers,
  type ServiceContext,
} from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import { BY_INSTALLATION, BY_JOB, jobDocumentId, type Documents, type RunDocument } from './documents.js';
import { estimateFor } from './estimates.js';
import type { RunChanges } from './run-changes.js';
import { reportToWire } from './run-report.js';
import type { Runs } from './runs.js';
import type { SchedulerSettings } from './settings.js';
import { createWaits, type Waits } from './waits.js';
import { runToWire } from './wire.js';

/*
 * Operators' edge: runs and their reports.
 */

export interface RunParts {
  readonly context: ServiceContext<SchedulerSettings>;
  readonly documents: Documents;
  readonly runs: Runs;
  readonly changes: RunChanges;
}

type RunHandlers = Pick<
  RpcHandlers<schedulerV1.SchedulerServiceService>,
  'listRuns' | 'getRun' | 'watchRun' | 'cancelRun' | 'getRunReport'
>;

export function runHandlers(parts: RunParts): RunHandlers {
  const waits = createWaits(parts.context);
  return {
    listRuns: (request) => listRuns(parts, request),
    getRun: async ({ name }) => {
      const found = await runNamed(parts, name);
      return isRejected(found) ? found : { run: runToWire(found.data, true, await waits.of(found.data)) };
    },
    watchRun: (request, context) => watchRun(parts, waits, request, context),
    cancelRun: (request, context) => cancelRun(parts, request, context),
    getRunReport: (request) => getRunReport(parts, request),
  };
}

async function runNamed({ documents }: RunParts, name: string): Promise<Document<RunDocument> | Rejected> {
  const id = nameOf('run', name);
  if (isRejected(id)) return id;
  const found = await documents.runs.get(id.run);
  return found?.data.installation === id.installation ? found : notFound('run', name);
}

async function listRuns({ documents }: RunParts, request: schedulerV1.ListRunsRequest) {
  const parent = nameOf('installation', request.parent, 'parent');
  const page = pageOf(request);
  if (isRejected(parent)) return parent;
  if (isRejected(page)) return page;
  const wrongJob = request.job === '' ? undefined : checkId('job', request.job);
  if (wrongJob) return invalid([wrongJob]);
  const { installation } = parent;
  const query =
    request.job === ''
      ? { index: BY_INSTALLATION, where: { installation } }
      : { index: BY_JOB, where: { job_id: jobDocumentId(installation, request.job) } };
  const found = await readPage(documents.runs, { ...query, order: 'descending' }, page, (d) =>
    runToWire(d.data, false),
  );
  return isRejected(found) ? found : { runs: found.items, nextPageToken: found.nextPageToken };
}

/** Each change of the run, and of what it waits for. */
async function* watchRun(parts: RunParts, waits: Waits, { name }: schedulerV1.WatchRunRequest, { signal }: RpcContext) {
  const first = await runNamed(parts, name);
  if (isRejected(first)) throw new RejectedError(first);
  let said = '';
  for await (const _ of parts.changes.of(first.id, signal)) {
    const found = await parts.documents.runs.get(first.id);
    if (!found) continue;
    const waiting = await waits.of(found.data);
    const now = JSON.stringify([found.version, waiting]);
    if (now === said) continue;
    said = now;
    yield { run: runToWire(found.data, true, waiting) };
    if (found.data.state.phase === 'ended') return;
  }
}

async function cancelRun(parts: RunParts, { name, reason }: schedulerV1.CancelRunRequest, { principal }: RpcContext) {
  const wrong = checkText('reason', reason, { min: 1, max: LIMITS.textChars });
  if (wrong) return invalid([wrong]);
  const found = await runNamed(parts, name);
  if (isRejected(found)) return found;
  const by = principal?.subject ?? '';
  const refused = await parts.runs.apply(found.id, (at) => ({ type: 'cancel', by, reason, at }));
  if (refused) return refused;
  const after = await runNamed(parts, name);
  return isRejected(after) ? after : { run: runToWire(after.data, true) };
}

async function getRunReport(parts: RunParts, { name }: schedulerV1.GetRunReportRequest) {
  const found = await runNamed(parts, name);
  if (isRejected(found)) return found;
  const own = reportToWire(found.data, await estimateFor(parts.documents, found.data));
  if (!own) return notFound('run', name);
  const [preflight, backup] = await Promise.all([preflightReport(parts, found.data), backupNow(parts, own.backup)]);
  return { report: { ...own, preflight, backup } };
}

/** A report without its checks is better than none: what cannot be had now is left out. */
async function preflightReport({ context }: RunParts, { installation, state }: RunDocument) {
  const report = state.phase === 'none' ? '' : state.findings.report;
  if (report === '') return undefined;
  try {
    const name = formatName('report', { installation, report });
    return (await context.client(preflightV1.PreflightServiceService).getReport({ name })).report;
  } catch (cause) {
    context.log.warn({ err: cause, report }, 'the preflight report of a run could not be read');
    return undefined;
  }
}

/** With what preflight knows of it today: its proof, its key, when it was verified last. As it was heard of when that cannot be had. */
async function backupNow({ context }: RunParts, heard: schedulerV1.RunReport['backup']) {
  if (!heard || heard.name === '') return heard;
  try {
    const { backup } = await context.client(preflightV1.PreflightServiceService).getBackup({ name: heard.name });
    return backup ?? heard;
  } catch (cause) {
    context.log.warn({ err: cause, backup: heard.name }, 'the backup of a run could not be read');
    return heard;
  }
}
