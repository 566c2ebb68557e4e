import { atToDate, schedulerV1 } from '@lastcall/contracts';
import { checkId, invalid, isRejected, reject, type Rejected, type Violation } from '@lastcall/kernel';
import { nameOf, notFound, pageOf, readPage, type RpcContext, type RpcHandlers } from '@lastcall/runtime';
import type { Document, Store } from '@lastcall/store';
import { suggestTimes, type Caution } from './advice.js';
import type { Claims } from './claims.js';
import { BY_INSTALLATION, BY_JOB, jobDocumentId, type Documents, type JobDocument } from './documents.js';
import { isHarmless, type JobDefinition } from './domain/job.js';
import { explain } from './explanation.js';
import type { Firings } from './firings.js';
import { unconfirmed, type JobId, type Jobs, type Outlook } from './jobs.js';
import { maintenanceProblems } from './maintenance-windows.js';
import { refusedByPause, type Pauses } from './pauses.js';
import { EDITABLE, parseJob } from './parse-job.js';
import type { Catalog, Place } from './spec.js';
import { windowProblems } from './window.js';
import { firingToWire, jobToWire, pauseToWire } from './wire.js';

/*
 * Operators' edge: jobs.
 */

export interface JobParts {
  readonly store: Store;
  readonly documents: Documents;
  readonly jobs: Jobs;
  readonly claims: Claims;
  readonly firings: Firings;
  readonly catalog: Catalog;
  readonly pauses: Pauses;
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
  | 'enableJob'
  | 'disableJob'
  | 'skipNext'
  | 'startJob'
  | 'adviseJob'
  | 'listFirings'
>;

export function jobHandlers(parts: JobParts): JobHandlers {
  const { jobs, documents } = parts;
  return {
    createJob: (request) => createJob(parts, request),
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
    updateJob: (request) => updateJob(parts, request),
    deleteJob: (request) => deleteJob(parts, request),
    enableJob: (request, context) => enableJob(parts, request, context),
    disableJob: async ({ name }) => {
      const id = nameOf('job', name);
      if (isRejected(id)) return id;
      const changed = await jobs.apply(id, { type: 'disable' }, '');
      return isRejected(changed) ? changed : { job: jobToWire(changed.data, changed.version) };
    },
    skipNext: (request, context) => skipNext(parts, request, context),
    startJob: (request, context) => startJob(parts, request, context),
    adviseJob: (request) => adviseJob(parts, request),
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

async function jobNamed({ jobs }: JobParts, name: string): Promise<Document<JobDocument> | Rejected> {
  const id = nameOf('job', name);
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

/** What the definition names must be there, and its window must be long enough. */
async function dangling(
  parts: JobParts,
  { installation }: JobId,
  definition: JobDefinition,
  { place, times }: Outlook,
): Promise<Rejected | undefined> {
  const { serviceHost, followUpJob } = definition;
  const hosts = place.hosts.map((h) => h.host);
  const wrong: Violation[] = [...shortWindow(definition, times, place), ...maintenanceProblems(definition, place)];
  if (definition.start.kind === 'when-idle' && place.kind === 'single-user') {
    const description = 'is for installations with many users; this one has a single seat';
    wrong.push({ field: 'job.start.when_idle', description });
  }
  if (serviceHost !== '' && !hosts.includes(serviceHost)) {
    const description = `${serviceHost} is no host of the installation (${hosts.join(', ')})`;
    wrong.push({ field: 'job.service_host', description });
  }
  if (followUpJob !== '' && !(await parts.jobs.get({ installation, job: followUpJob }))) {
    wrong.push({ field: 'job.follow_up_job', description: `there is no job ${followUpJob}; save it first` });
  }
  return wrong.length > 0 ? invalid(wrong) : undefined;
}

/** The first of the times whose window is none: where the clocks change it may be another length. */
function shortWindow(
  definition: JobDefinition,
  times: readonly number[],
  { timeZone, reactionTimeMs }: Place,
): readonly Violation[] {
  const reactionMs = definition.reactionTimeMs ?? reactionTimeMs;
  return times.map((at) => windowProblems(definition, at, timeZone, reactionMs)).find((p) => p.length > 0) ?? [];
}

async function createJob(parts: JobParts, request: schedulerV1.CreateJobRequest) {
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
  const outlook = await parts.jobs.outlook(id.installation, definition);
  const { place, cautions, notes } = outlook;
  const refusal =
    (await dangling(parts, id, definition, outlook)) ??
    (await manySteps(parts, id.installation, definition)) ??
    unconfirmed(cautions, request.confirmedCautions);
  if (refusal) return refusal;
  const more = { product: place.product, ...keptOf(place, cautions) };
  const saved = await parts.jobs.apply(id, { type: 'create', definition }, '', more);
  if (isRejected(saved)) return saved;
  return { job: jobToWire(saved.data, saved.version), advice: [...cautions], notes: [...notes] };
}

/** What a job's document keeps of the outlook under which it was saved. */
function keptOf({ kind, timeZone }: Place, cautions: readonly Caution[]): Partial<JobDocument> {
  return { kind, timeZone, confirmedCautions: cautions.map(({ caution }) => caution) };
}

async function updateJob(parts: JobParts, request: schedulerV1.UpdateJobRequest) {
  const found = await jobNamed(parts, request.job?.name ?? '');
  if (isRejected(found)) return found;
  const { installation, job, state, confirmedCautions } = found.data;
  const merged = mergedDefinition(found, request);
  if (isRejected(merged)) return merged;
  const outlook = await parts.jobs.outlook(installation, merged);
  const { place, cautions, notes } = outlook;
  const id = { installation, job };
  // What was confirmed for a time and a version stays confirmed for them.
  const same = state.phase !== 'none' && isHarmless(state.definition, merged);
  const confirmed = [...request.confirmedCautions, ...(same ? confirmedCautions : [])];
  const refusal =
    (await dangling(parts, id, merged, outlook)) ??
    (same ? undefined : await manySteps(parts, installation, merged)) ??
    unconfirmed(cautions, confirmed);
  if (refusal) return refusal;
  const more = keptOf(place, cautions);
  const edit = { type: 'edit', definition: merged } as const;
  const saved = await parts.jobs.apply(id, edit, request.job?.etag ?? '', more);
  if (isRejected(saved)) return saved;
  return { job: jobToWire(saved.data, saved.version), advice: [...cautions], notes: [...notes] };
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

async function enableJob(parts: JobParts, request: schedulerV1.EnableJobRequest, { principal }: RpcContext) {
  const found = await jobNamed(parts, request.name);
  if (isRejected(found)) return found;
  const { installation, job, state, confirmedCautions } = found.data;
  if (state.phase === 'none') return notFound('job', request.name);
  const { definition } = state;
  const { place, dueAt, lastAt, cautions, situation } = await parts.jobs.outlook(installation, definition);
  const confirmed = [...confirmedCautions, ...request.confirmedCautions];
  const refusal = unconfirmed(cautions, confirmed) ?? (await noRelease(parts, installation, definition));
  if (refusal) return refusal;
  const by = principal?.subject ?? '';
  const last = lastAt !== undefined && { lastAt };
  const command = { type: 'enable', dueAt, ...last, now: situation.now, by } as const;
  const more = keptOf(place, cautions);
  const saved = await parts.jobs.apply({ installation, job }, command, request.etag, more);
  if (isRejected(saved)) return saved;
  parts.wakeJobs();
  return { job: jobToWire(saved.data, saved.version) };
}

/** A fixed version that the installation may not take will not be there at night either. */
async function noRelease(parts: JobParts, installation: string, definition: JobDefinition) {
  const { type, version } = definition;
  if (type !== 'software-update' || version === '') return undefined;
  const release = await parts.catalog.release(installation, definition);
  if (!('reason' in release)) return undefined;
  return reject('refused', 'RELEASE_NOT_POSSIBLE', `${version} cannot be installed: ${release.reason}`);
}

async function skipNext(parts: JobParts, { name, undo, etag }: schedulerV1.SkipNextRequest, { principal }: RpcContext) {
  const id = nameOf('job', name);
  if (isRejected(id)) return id;
  const command = { type: 'skip-next', by: principal?.subject ?? '', undo, now: await parts.store.now() } as const;
  const saved = await parts.jobs.apply(id, command, etag);
  return isRejected(saved) ? saved : { job: jobToWire(saved.data, saved.version) };
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
  const { cautions } = await parts.jobs.outlook(installation, now);
  const refusal = unconfirmed(cautions, request.confirmedCautions);
  if (refusal) return refusal;
  const cause = request.requestId === '' ? '' : `now/${request.requestId}`;
  const firing = await parts.claims.start(found.data, cause, principal?.subject ?? '');
  const fate = await parts.firings.resolve(firing);
  if (fate?.fate === 'fired') return { run: `installations/${installation}/runs/${fate.run}` };
  return reject('refused', 'NOT_STARTED', `${request.name} was not started: ${fate?.reason ?? 'it was deleted'}`);
}

async function adviseJob(parts: JobParts, request: schedulerV1.AdviseJobRequest) {
  const parent = nameOf('installation', request.parent, 'parent');
  if (isRejected(parent)) return parent;
  const definition = parseJob(request.job, '');
  if (isRejected(definition)) return definition;
  const { cautions, notes, dueAt, situation } = await parts.jobs.outlook(parent.installation, definition);
  return {
    advice: [...cautions],
    notes: [...notes],
    dueTime: atToDate(dueAt),
    suggestedTimes: suggestTimes(situation).map((time) => schedulerV1.SuggestedTime.fromPartial(time)),
  };
}
