import { atToDate, schedulerV1 } from '@lastcall/contracts';
import { checkId, invalid, isRejected, reject, type Rejected } from '@lastcall/kernel';
import {
  nameOf,
  notFound,
  pageOf,
  readPage,
  type RpcContext,
  type RpcHandlers,
  type ServiceContext,
} from '@lastcall/runtime';
import type { Document, Store } from '@lastcall/store';
import type { Claims } from './claims.js';
import type { Unconnected } from './connections.js';
import { auditConfirmations, confirmationsOf, type Confirmation } from './confirmations.js';
import { BY_INSTALLATION, BY_JOB, jobDocumentId, type Documents, type JobDocument } from './documents.js';
import { approvalOf, isHarmless, type JobDefinition, type JobState } from './domain/job.js';
import { explain } from './explanation.js';
import type { Firings } from './firings.js';
import { unconfirmed, type JobId, type Jobs, type Outlook } from './jobs.js';
import { outlookToWire } from './outlook-to-wire.js';
import { refusedByPause, type Pauses } from './pauses.js';
import { EDITABLE, parseJob } from './parse-job.js';
import { definitionProblems } from './readiness.js';
import type { Rehearsals } from './rehearsals.js';
import type { Catalog, Place } from './spec.js';
import { firingToWire, jobToWire, pauseToWire } from './wire.js';

/*
 * Operators' edge: jobs.
 */

export interface JobParts {
  readonly context: Pick<ServiceContext<object>, 'audit' | 'traceContext'>;
  readonly store: Store;
  readonly documents: Documents;
  readonly jobs: Jobs;
  readonly claims: Claims;
  readonly firings: Firings;
  readonly catalog: Catalog;
  readonly pauses: Pauses;
  readonly rehearsals: Rehearsals;
  readonly unconnected: Unconnected;
  /** A job was enabled: its due time may be now. */
  wakeJobs(): void;
}

type Handlers = RpcHandlers<schedulerV1.SchedulerServiceService>;
type JobHandlers = Pick<
  Handlers,
  | 'createJob'
  | 'getJob'
  | 'listJobs'
  | 'updateJob'
  | 'deleteJob'
  | 'disableJob'
  | 'skipNext'
  | 'startJob'
  | 'adviseJob'
  | 'listFirings'
>;

export function jobHandlers(parts: JobParts): JobHandlers {
  const { jobs, documents } = parts;
  return {
    createJob: (request, context) => createJob(parts, request, context),
    getJob: async ({ name }) => {
      const found = await jobNamed(parts, name);
      if (isRejected(found)) return found;
      const pause = await parts.pauses.of(found.data.installation);
      const explanation = await explain(parts, found.data, pause);
      return { job: jobToWire(found.data, found.version), explanation, pause: pauseToWire(pause) };
    },
    listJobs: async (request) => {
      const parent = nameOf('installation', request.parent, 'parent');
      const page = pageOf(request);
      if (isRejected(parent)) return parent;
      if (isRejected(page)) return page;
      const where = { installation: parent.installation };
      const found = await readPage(documents.jobs, { index: BY_INSTALLATION, where }, page, (d) =>
        jobToWire(d.data, d.version),
      );
      if (isRejected(found)) return found;
      const pause = pauseToWire(await parts.pauses.of(parent.installation));
      return { jobs: found.items, nextPageToken: found.nextPageToken, pause };
    },
    updateJob: (request, context) => updateJob(parts, request, context),
    deleteJob: (request) => deleteJob(parts, request),
    disableJob: async ({ name }) => {
      const id = nameOf('job', name);
      if (isRejected(id)) return id;
      const changed = await jobs.apply(id, { type: 'disable' }, '');
      return isRejected(changed) ? changed : { job: jobToWire(changed.data, changed.version) };
    },
    skipNext: (request, context) => skipNext(parts, request, context),
    startJob: (request, context) => startJob(parts, request, context),
    adviseJob: (request, context) => adviseJob(parts, request, context),
    listFirings: async (request) => {
      const id = nameOf('job', request.parent, 'parent');
      const page = pageOf(request);
      if (isRejected(id)) return id;
      if (isRejected(page)) return page;
      const where = { job_id: jobDocumentId(id.installation, id.job) };
      const query = { index: BY_JOB, where, order: 'descending' } as const;
      const found = await readPage(documents.firings, query, page, (d) => firingToWire(d.data));
      return isRejected(found) ? found : { firings: found.items, nextPageToken: found.nextPageToken };
    },
  };
}

export async function jobNamed(
  { jobs }: JobParts,
  name: string,
  field?: string,
): Promise<Document<JobDocument> | Rejected> {
  const id = nameOf('job', name, field);
  if (isRejected(id)) return id;
  return (await jobs.get(id)) ?? notFound('job', name);
}

/** A version that takes several steps is refused before it is saved, with the steps: each is a job of its own. */
async function manySteps(
  parts: JobParts,
  installation: string,
  definition: JobDefinition,
): Promise<Rejected | undefined> {
  const { type, version } = definition;
  if (type !== 'software-update' || version === '') return undefined;
  const release = await parts.catalog.release(installation, definition);
  if (!('reason' in release) || release.path.length < 2) return undefined;
  const [first = ''] = release.path;
  const message = `${version} cannot be reached in one step: ${release.reason}. Save a job for ${first} first`;
  return reject('refused', 'SEVERAL_STEPS', message, { facts: { path: release.path.join(' ') } });
}

async function dangling(parts: JobParts, id: JobId, definition: JobDefinition, outlook: Outlook) {
  const wrong = await definitionProblems(parts.jobs, id, definition, outlook);
  return wrong.length > 0 ? invalid(wrong) : undefined;
}

async function createJob(parts: JobParts, request: schedulerV1.CreateJobRequest, { principal }: RpcContext) {
  const parent = nameOf('installation', request.parent, 'parent');
  const wrongId = checkId('job_id', request.jobId);
  const definition = parseJob(request.job, request.jobId);
  const violations = [
    ...(isRejected(parent) ? parent.violations : []),
    ...(wrongId ? [wrongId] : []),
    ...(isRejected(definition) ? definition.violations : []),
  ];
  if (violations.length > 0 || isRejected(parent) || isRejected(definition)) return invalid(violations);
  const id = { installation: parent.installation, job: request.jobId };
  const outlook = await parts.jobs.outlook(id.installation, definition, { job: id.job, principal });
  const { place, cautions } = outlook;
  const refusal =
    (await dangling(parts, id, definition, outlook)) ??
    (await manySteps(parts, id.installation, definition)) ??
    unconfirmed(cautions, request.confirmedCautions);
  if (refusal) return refusal;
  const confirmations = confirmationsNow(outlook, request.confirmedCautions, principal);
  await auditConfirmations(parts.context, 'CreateJob', id, principal, confirmations);
  const more = { product: place.product, ...keptOf(outlook, confirmations) };
  const saved = await parts.jobs.apply(id, { type: 'create', definition }, '', more);
  return isRejected(saved) ? saved : savedToWire(saved, outlook);
}

function savedToWire({ data, version }: Document<JobDocument>, outlook: Outlook) {
  const { cautions, notes } = outlook;
  return {
    job: jobToWire(data, version),
    advice: [...cautions],
    notes: [...notes],
    outlook: outlookToWire(outlook),
  };
}

export function confirmationsNow(
  { cautions, now: at }: Outlook,
  now: readonly string[],
  principal: RpcContext['principal'],
  before?: readonly Confirmation[],
): readonly Confirmation[] {
  return confirmationsOf({ cautions, now, before, by: principal?.subject ?? '', at });
}

/** What a job's document keeps of the outlook under which it was saved. */
export function keptOf(
  { place: { kind, timeZone }, cautions }: Outlook,
  confirmations: readonly Confirmation[],
): Partial<JobDocument> {
  return { kind, timeZone, confirmedCautions: cautions.map(({ caution }) => caution), confirmations };
}

/** Of the call that is being handled. */
export function traceparentOf({ context }: JobParts): Pick<JobDocument, 'traceparent'> {
  const { traceparent } = context.traceContext();
  return traceparent === undefined ? {} : { traceparent };
}

/** Those that came with this call; what was confirmed before has its record. */
export function since(at: number, confirmations: readonly Confirmation[]): readonly Confirmation[] {
  return confirmations.filter((confirmation) => confirmation.at >= at);
}

async function updateJob(parts: JobParts, request: schedulerV1.UpdateJobRequest, { principal }: RpcContext) {
  const found = await jobNamed(parts, request.job?.name ?? '', 'job.name');
  if (isRejected(found)) return found;
  const { installation, job, state, confirmedCautions, confirmations: before } = found.data;
  const merged = mergedDefinition(found, request);
  if (isRejected(merged)) return merged;
  const id = { installation, job };
  const outlook = await parts.jobs.outlook(installation, merged, { job, principal });
  const { cautions, now } = outlook;
  // What was confirmed for a time and a version stays confirmed for them.
  const same = state.phase !== 'none' && isHarmless(state.definition, merged);
  const confirmed = [...request.confirmedCautions, ...(same ? confirmedCautions : [])];
  const refusal =
    (await dangling(parts, id, merged, outlook)) ??
    (same ? undefined : await manySteps(parts, installation, merged)) ??
    unconfirmed(cautions, confirmed);
  if (refusal) return refusal;
  const confirmations = confirmationsNow(outlook, request.confirmedCautions, principal, same ? before : undefined);
  await auditConfirmations(parts.context, 'UpdateJob', id, principal, since(now, confirmations));
  const edit = { type: 'edit', definition: merged } as const;
  const saved = await parts.jobs.apply(id, edit, request.job?.etag ?? '', keptOf(outlook, confirmations));
  return isRejected(saved) ? saved : savedToWire(saved, outlook);
}

function mergedDefinition(
  { data, version }: Document<JobDocument>,
  request: schedulerV1.UpdateJobRequest,
): JobDefinition | Rejected {
  const unknown = request.updateMask.filter((field) => !Object.hasOwn(EDITABLE, field));
  if (unknown.length > 0 || request.updateMask.length === 0) {
    const what = unknown.length > 0 ? `names ${unknown.join(', ')}` : 'is empty';
    const description = `${what}; allowed are ${Object.keys(EDITABLE).join(', ')}`;
    return invalid([{ field: 'update_mask', description }]);
  }
  return parseJob({ ...schedulerV1.Job.create(jobToWire(data, version)), ...editedFields(request) }, data.job);
}

/** The fields that the mask names, by their names in the generated code. */
function editedFields({ job, updateMask }: schedulerV1.UpdateJobRequest): Partial<schedulerV1.Job> {
  const camel = (field: string) => field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const wanted = new Set(updateMask.map(camel));
  return Object.fromEntries(Object.entries(job ?? {}).filter(([field]) => wanted.has(field)));
}

async function deleteJob(parts: JobParts, { name, etag }: schedulerV1.DeleteJobRequest) {
  const found = await jobNamed(parts, name);
  if (isRejected(found)) return found;
  return (await parts.jobs.delete(found.data, etag)) ?? {};
}

async function skipNext(parts: JobParts, { name, undo, etag }: schedulerV1.SkipNextRequest, { principal }: RpcContext) {
  const id = nameOf('job', name);
  if (isRejected(id)) return id;
  const command = { type: 'skip-next', by: principal?.subject ?? '', undo, now: await parts.store.now() } as const;
  const saved = await parts.jobs.apply(id, command, etag);
  return isRejected(saved) ? saved : { job: jobToWire(saved.data, saved.version) };
}

/** A start by hand is no way around the second person. */
function unapproved({ approvalRequired }: Place, state: JobState): Rejected | undefined {
  if (!approvalRequired || approvalOf(state).approvedBy !== undefined) return undefined;
  const message =
    'jobs of this installation need the approval of a second person; ask for it with "lastcall job enable", then ' +
    'another person agrees with "lastcall job approve"';
  return reject('refused', 'APPROVAL_REQUIRED', message);
}

async function startJob(parts: JobParts, request: schedulerV1.StartJobRequest, { principal }: RpcContext) {
  const found = await jobNamed(parts, request.name);
  if (isRejected(found)) return found;
  const wrong = request.requestId === '' ? undefined : checkId('request_id', request.requestId);
  if (wrong) return invalid([wrong]);
  const { state, installation } = found.data;
  if (state.phase === 'none') return notFound('job', request.name);
  const pause = await parts.pauses.of(installation);
  if (pause) return refusedByPause(pause);
  const now: JobDefinition = { ...state.definition, start: { kind: 'immediate' } };
  const outlook = await parts.jobs.outlook(installation, now, { job: found.data.job, principal });
  const refusal = unapproved(outlook.place, state) ?? unconfirmed(outlook.cautions, request.confirmedCautions);
  if (refusal) return refusal;
  const confirmations = confirmationsNow(outlook, request.confirmedCautions, principal);
  await auditConfirmations(parts.context, 'StartJob', found.data, principal, confirmations);
  const cause = request.requestId === '' ? '' : `now/${request.requestId}`;
  const firing = await parts.claims.start(found.data, cause, principal?.subject ?? '', {
    confirmations,
    ...traceparentOf(parts),
  });
  const fate = await parts.firings.resolve(firing);
  if (fate?.fate === 'fired') return { run: `installations/${installation}/runs/${fate.run}` };
  return reject('refused', 'NOT_STARTED', `${request.name} was not started: ${fate?.reason ?? 'it was deleted'}`);
}

async function adviseJob(parts: JobParts, request: schedulerV1.AdviseJobRequest, { principal }: RpcContext) {
  const parent = nameOf('installation', request.parent, 'parent');
  const definition = parseJob(request.job, '');
  const own = request.job?.name ? nameOf('job', request.job.name, 'job.name') : { job: '' };
  const wrong = [parent, definition, own].flatMap((part) => (isRejected(part) ? part.violations : []));
  if (isRejected(parent) || isRejected(definition) || isRejected(own)) return invalid(wrong);
  const outlook = await parts.jobs.outlook(parent.installation, definition, { job: own.job, principal });
  const wire = outlookToWire(outlook);
  return {
    advice: [...outlook.cautions],
    notes: [...outlook.notes],
    dueTime: atToDate(outlook.dueAt),
    suggestedTimes: wire.suggestedTimes,
    outlook: wire,
  };
}
