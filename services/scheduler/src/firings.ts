import { isRejected, RejectedError, SECOND_MS, sha256Hex, type Rejected } from '@lastcall/kernel';
import type { Document, Store } from '@lastcall/store';
import type { catalogV1 } from '@lastcall/contracts';
import {
  jobDocumentId,
  runIdOf,
  specOf,
  type Documents,
  type Fate,
  type FiringDocument,
  type JobDocument,
} from './documents.js';
import { commandPlace } from './command-jobs.js';
import type { JobDefinition, JobState } from './domain/job.js';
import { fateChange } from './job-change.js';
import { needsHosts, whyNoMaintenance } from './maintenance-windows.js';
import { pauseText, type Pauses } from './pauses.js';
import { confirmedBy, type Confirmed, type Runs } from './runs.js';
import { COUNTED_AT_MOST } from './series.js';
import { lengthHere } from './situations.js';
import { estimateOf, noFit } from './window.js';
import { specFor, type Catalog, type Place, type Wanted } from './spec.js';

/*
 * From a due time to a run. Every step can be repeated after a crash, by any replica, and leads to the same documents:
 *
 *   1. the firing is written (its id is the due time)   2. the job goes on to its next due time (both in claims.ts)
 *   3. the lane is taken, with a new fence              4. the run is opened, with RunStarted
 *   5. the firing has its fate, and what was announced of it is over
 *
 * A lane that is taken for this very run is kept: from then on the run is opened, whatever the time.
 */

export interface Firings {
  /** Steps 3 to 5. */
  resolve(firing: string): Promise<FiringDocument | undefined>;
}

export interface FiringParts {
  readonly store: Store;
  readonly documents: Documents;
  readonly runs: Runs;
  readonly catalog: Catalog;
  readonly pauses: Pauses;
  /** A run was opened so many milliseconds after its due time. */
  readonly onOpened?: (lateMs: number) => void;
}

type Pending = Document<FiringDocument>;
/** What a run of the job is about, or why there is none. */
type Plan =
  | {
      readonly place: Place;
      readonly toVersion: string;
      readonly notes: string;
      readonly requirements: catalogV1.ReleaseRequirements | undefined;
    }
  | { readonly skip: string };

export function createFirings(parts: FiringParts): Firings {
  const { documents } = parts;
  return {
    resolve: async (firing) => {
      const found = await documents.firings.get(firing);
      if (found?.data.fate === 'pending') await resolvePending(parts, found);
      return (await documents.firings.get(firing))?.data;
    },
  };
}

async function resolvePending(parts: FiringParts, pending: Pending): Promise<void> {
  const { documents, store } = parts;
  const { installation, job, nominalAt, lateWithinMs, skipBecause } = pending.data;
  const run = runIdOf(pending.id);
  if (skipBecause !== undefined) return decideFate(documents, pending, 'skipped', skipBecause);
  const lane = await documents.lanes.get(installation);
  const late = (await store.now()) - nominalAt > lateWithinMs;
  if (late && lane?.data.active !== run) return decideFate(documents, pending, 'missed', whyMissed(pending.data));
  if (isOutdated(pending.data, await documents.jobs.get(jobDocumentId(installation, job)))) {
    return skip(parts, pending, run, 'the job was changed since the run that failed');
  }
  const pause = lane?.data.active === run ? undefined : await parts.pauses.of(installation);
  if (pause) return skip(parts, pending, run, pauseText(pause));
  const saved = await documents.jobs.get(jobDocumentId(installation, job));
  const state = saved?.data.state;
  const plan = state && state.phase !== 'none' ? await planFor(parts.catalog, installation, state.definition) : GONE;
  if ('skip' in plan) return skip(parts, pending, run, plan.skip);
  const tooLong = lane?.data.active === run ? undefined : await tooLongFor(parts, pending.data, state, plan);
  if (tooLong !== undefined) return skip(parts, pending, run, tooLong);
  const fence = await takeLane(documents, installation, run);
  if (fence === undefined) return skip(parts, pending, run, 'another run of the installation was active');
  if (!state || state.phase === 'none' || !saved) return;
  await openRun(parts, pending, {
    run,
    fence,
    plan,
    definition: state.definition,
    confirmed: pending.data.confirmations ? confirmedBy(pending.data.confirmations) : saved.data,
  });
  await stopIfTakenBack(parts, installation, run, { ...state.definition, version: plan.toVersion });
  await decideFate(documents, pending, 'fired', '', run);
}

/** Another try is of the job that was tried: one that was edited or disabled since is a person's matter. */
function isOutdated({ attempt, revision }: FiringDocument, job: Document<JobDocument> | undefined): boolean {
  return attempt !== undefined && job?.data.state.revision !== revision;
}

/** Why the run would outlast the window of its due time. */
async function tooLongFor(
  { documents, store }: FiringParts,
  { windowEndsAt }: FiringDocument,
  state: JobState | undefined,
  { place }: Opening['plan'],
): Promise<string | undefined> {
  if (windowEndsAt === undefined || !state || state.phase === 'none') return undefined;
  const { definition } = state;
  const estimate = estimateOf(definition, await lengthHere(documents, place, definition));
  return noFit(estimate, await store.now(), windowEndsAt, place.timeZone);
}

function whyMissed({ lateWithinMs, passedOver = 0 }: FiringDocument): string {
  const first = `nothing could run it within ${Math.round(lateWithinMs / 60_000)} min of its time`;
  if (passedOver === 0) return first;
  const times =
    passedOver === 1 ? 'the time' : `the ${passedOver}${passedOver === COUNTED_AT_MOST ? ' or more' : ''} times`;
  return `${first}, nor of ${times} after it`;
}

const GONE: Plan = { skip: 'the job was deleted' };

interface Opening {
  readonly run: string;
  readonly fence: number;
  readonly plan: Extract<Plan, { place: Place }>;
  readonly definition: JobDefinition;
  readonly confirmed: Confirmed;
}

async function openRun({ runs, store, onOpened }: FiringParts, { data }: Pending, opening: Opening): Promise<void> {
  const { run, fence, plan, definition, confirmed } = opening;
  const { job, nominalAt, by, revision, attempt, windowEndsAt, traceparent = traceparentOf(run) } = data;
  const { place, toVersion, notes, requirements } = plan;
  const startedAt = await store.now();
  await runs.open(
    specFor({
      ...{ run, job, definition, place, toVersion, notes, fence, nominalAt, startedAt, by, windowEndsAt },
      traceparent,
    }),
    requirements,
    confirmed,
    {
      ...(revision !== undefined && { revision }),
      ...(attempt !== undefined && { attempt }),
      ...(windowEndsAt !== undefined && { windowEndsAt }),
    },
  );
  onOpened?.(Math.max(0, startedAt - nominalAt));
}

/** Of a run that no call has started: the same each time that the firing is resolved. */
function traceparentOf(run: string): string {
  const digest = sha256Hex(`trace of ${run}`);
  return `00-${digest.slice(0, 32)}-${digest.slice(32, 48)}-01`;
}

/**
 * A release that was taken back while its run was being opened: whoever heard of it found no run yet. From here on ReleaseWithdrawn
 * finds it.
 */
async function stopIfTakenBack(
  { catalog, runs }: FiringParts,
  installation: string,
  run: string,
  wanted: Wanted,
): Promise<void> {
  if (wanted.version === '') return;
  const release = await orReason(() => catalog.release(installation, wanted));
  const reason = isRejected(release) ? release.message : 'reason' in release ? release.reason : undefined;
  if (reason !== undefined) await runs.apply(run, (at) => ({ type: 'cancel', by: 'scheduler', reason, at }));
}

/** A catalog that cannot be reached is a Fault: the firing stays pending and is looked at again. */
async function planFor(catalog: Catalog, installation: string, definition: JobDefinition): Promise<Plan> {
  const place = await orReason(() => catalog.place(installation));
  if (isRejected(place)) return { skip: place.message };
  const cannot = whyNoMaintenance(definition, place);
  if (cannot !== undefined) return { skip: cannot };
  if (place.hosts.length === 0 && needsHosts(definition))
    return { skip: 'the installation has no hosts; join them: lastcall host join-token' };
  if (definition.type === 'run-command') return planForCommand(catalog, definition, place);
  if (definition.type !== 'software-update') return { place, toVersion: '', notes: '', requirements: undefined };
  const release = await orReason(() => catalog.release(installation, definition));
  if (isRejected(release)) return { skip: release.message };
  if ('reason' in release) return { skip: release.reason };
  return { place, toVersion: release.version, notes: release.notes, requirements: release.requirements };
}

async function planForCommand(catalog: Catalog, definition: JobDefinition, place: Place): Promise<Plan> {
  const found = await commandPlace(catalog, definition, place);
  if ('problems' in found) {
    return { skip: found.problems.map(({ field, description }) => `${field} ${description}`).join('; ') };
  }
  return { place: found, toVersion: '', notes: '', requirements: undefined };
}

async function orReason<T>(ask: () => Promise<T>): Promise<T | Rejected> {
  try {
    return await ask();
  } catch (cause) {
    if (cause instanceof RejectedError) return cause.rejected;
    throw cause;
  }
}

/**
 * The fence of this run, or undefined while another one is active. A run that has ended gives its lane back with RunFinished; until
 * that has come, its document says the same. A fence is at least the seconds since 1970, so that it is the highest ever also after this
 * database was restored from a backup: hosts and gates have seen fences that it does not know of.
 */
async function takeLane({ lanes, runs }: Documents, installation: string, run: string): Promise<number | undefined> {
  const holder = (await lanes.get(installation))?.data.active ?? '';
  const ended = holder !== '' && (await runs.get(holder))?.data.state.phase === 'ended';
  return lanes.change<number | undefined>(installation, (lane = { active: '', fence: 0 }, { now }) => {
    if (lane.active === run) return { keep: lane.fence };
    const free = lane.active === '' || (ended && lane.active === holder);
    if (!free) return { keep: undefined };
    const fence = Math.max(lane.fence + 1, Math.floor(now / SECOND_MS));
    return { write: { active: run, fence }, result: fence };
  });
}

/** A lane that was taken before a crash, for a run that is not going to be opened, is given back. */
async function skip(parts: FiringParts, pending: Pending, run: string, reason: string): Promise<void> {
  const { documents } = parts;
  const opened = await documents.runs.get(run);
  if (opened) {
    const { toVersion = '', downgrade } = specOf(opened.data.state) ?? {};
    await stopIfTakenBack(parts, pending.data.installation, run, {
      version: toVersion,
      ...(downgrade && { downgrade }),
    });
    return decideFate(documents, pending, 'fired', '', run);
  }
  await documents.lanes.change(pending.data.installation, (lane) =>
    lane?.active === run ? { write: { ...lane, active: '' }, result: undefined } : { keep: undefined },
  );
  return decideFate(documents, pending, 'skipped', reason);
}

/** What was announced ends first: a fate that is decided is never looked at again. */
async function decideFate(
  { firings, jobs }: Documents,
  { id, data }: Pending,
  fate: Exclude<Fate, 'pending'>,
  reason: string,
  run = '',
): Promise<void> {
  const end = fate === 'fired' ? 'started' : 'cancelled';
  await jobs.change(jobDocumentId(data.installation, data.job), (job) => fateChange(job, data.nominalAt, end));
  await firings.change(id, (current, { now }) => {
    if (current?.fate !== 'pending') return { keep: undefined };
    const untold = fate === 'fired' ? {} : { untoldAt: now };
    return { write: { ...current, fate, reason, run, ...untold }, result: undefined };
  });
}
