import { closedForOf, derivedId, passesGate, type InstallationKind, type RunSpec } from '@lastcall/kernel';
import type { Collection, CollectionSpec, Store } from '@lastcall/store';
import type { Confirmation } from './confirmations.js';
import type { Announcement } from './domain/announcement.js';
import type { JobState } from './domain/job.js';
import type { RunState } from './domain/run.js';

/*
 * What the scheduler keeps. Jobs say when; a firing is the decision about one due time; a lane lets one run of an
 * installation pass at a time and numbers them; runs are what happened.
 */

export interface JobDocument {
  readonly installation: string;
  readonly job: string;
  readonly product: string;
  /** Of the installation; absent in a job that was saved before this was kept, until it is saved or enabled again. */
  readonly kind?: InstallationKind;
  /** Of the installation, as it was when the job was saved or enabled: its local times are meant in it. */
  readonly timeZone?: string;
  /** Phase `none` after a deletion: the document stays, because the numbers of its events go on. */
  readonly state: JobState;
  /** What the users of the installation have been told of it. */
  readonly announced?: Announcement;
  readonly createdAt: number;
  readonly confirmedCautions: readonly string[];
  /** Those with what was read, and by whom; absent in a job that was saved before this was kept. */
  readonly confirmations?: readonly Confirmation[];
  /** Trace of whoever enabled it to start at once; absent: with another start, or from before this was kept. */
  readonly traceparent?: string;
}

export type Fate = 'pending' | 'fired' | 'skipped' | 'missed';

export interface FiringDocument {
  readonly installation: string;
  readonly job: string;
  readonly nominalAt: number;
  readonly fate: Fate;
  /** Empty unless fired. */
  readonly run: string;
  /** Why it was skipped or missed. */
  readonly reason: string;
  /** In whose name. */
  readonly by: string;
  /** How late it may be resolved. */
  readonly lateWithinMs: number;
  /** So many later times of the series were too late as well when this one was decided; absent: none. */
  readonly passedOver?: number;
  /** Since when it is to be told that it led to no run; absent: it has been, or needs not. */
  readonly untoldAt?: number;
  /** By when its run has to be over; absent: it has no window. */
  readonly windowEndsAt?: number;
  /** It is not to be run, and why. */
  readonly skipBecause?: string;
  /** Revision of the job for which it was written; absent in those that were written before this was kept. */
  readonly revision?: number;
  /** Which try it is after a run that failed; absent: the first. */
  readonly attempt?: number;
  /** What was confirmed for this start by hand; absent: what was confirmed for the job. */
  readonly confirmations?: readonly Confirmation[];
  /** Trace of the call that started it; absent: nobody waits for it. */
  readonly traceparent?: string;
}

/** What another try of a run goes on with. */
export type RunOrigin = Pick<FiringDocument, 'revision' | 'attempt' | 'windowEndsAt'>;

/** By installation. */
export interface PauseDocument {
  /** Absent: it was ended before its time. One whose end has come is none any more. */
  readonly pause?: Pause;
}

export interface Pause {
  readonly reason: string;
  readonly by: string;
  readonly since: number;
  readonly endsAt: number;
  /** Of the installation when it was said: its end is shown in it. */
  readonly timeZone: string;
}

export interface LaneDocument {
  /** Empty when no run is active. */
  readonly active: string;
  /** Fence of the newest run: one more than the last, and at least the seconds since 1970. */
  readonly fence: number;
}

export interface RunDocument {
  readonly installation: string;
  readonly job: string;
  readonly state: RunState;
  readonly createdAt: number;
  readonly dueAt?: number;
  readonly confirmedCautions: readonly string[];
  /** Of the firing that it came of. */
  readonly origin?: RunOrigin;
  readonly confirmations?: readonly Confirmation[];
}

export const DUE = 'due';
export const BY_INSTALLATION = 'by_installation';
export const BY_JOB = 'by_job';
export const PLANNED = 'planned';
export const UNTOLD = 'untold';
export const CREATED = 'created';
export const NOMINAL = 'nominal';
/** Runs that may have a gate shut by a lease; a maintenance window has none, it ends by itself. */
export const GATED = 'gated';
/** Runs that have not ended, by what they install. */
export const INSTALLING = 'installing';

const jobs: CollectionSpec<JobDocument> = {
  name: 'jobs',
  fields: (d) => ({
    installation: d.state.phase === 'none' ? undefined : d.installation,
    job: d.job,
    due_at: d.state.phase === 'enabled' ? d.state.dueAt : undefined,
    product: d.product,
    planned_version:
      d.state.phase === 'enabled' && d.state.definition.version !== '' ? d.state.definition.version : undefined,
  }),
  indexes: [
    { name: BY_INSTALLATION, fields: ['installation', 'job'], unique: true },
    { name: DUE, fields: ['due_at'] },
    { name: PLANNED, fields: ['product', 'planned_version'] },
  ],
};

const firings: CollectionSpec<FiringDocument> = {
  name: 'firings',
  fields: (d) => ({
    job_id: jobDocumentId(d.installation, d.job),
    nominal_at: d.nominalAt,
    due_at: d.fate === 'pending' ? d.nominalAt : undefined,
    untold_at: d.untoldAt,
  }),
  indexes: [
    { name: BY_JOB, fields: ['job_id', 'nominal_at'] },
    { name: UNTOLD, fields: ['untold_at'] },
    { name: NOMINAL, fields: ['nominal_at'] },
    { name: DUE, fields: ['due_at'] },
  ],
};

const lanes: CollectionSpec<LaneDocument> = { name: 'lanes', fields: () => ({}), indexes: [] };

const pauses: CollectionSpec<PauseDocument> = { name: 'pauses', fields: () => ({}), indexes: [] };

const runs: CollectionSpec<RunDocument> = {
  name: 'runs',
  fields: (d) => ({
    installation: d.installation,
    job_id: jobDocumentId(d.installation, d.job),
    created_at: d.createdAt,
    due_at: d.dueAt,
    gated: isGated(d.state) ? true : undefined,
    ...releaseOf(d.state),
  }),
  indexes: [
    { name: GATED, fields: ['gated'] },
    { name: INSTALLING, fields: ['product', 'version'] },
    { name: BY_INSTALLATION, fields: ['installation', 'created_at'] },
    { name: CREATED, fields: ['created_at'] },
    { name: BY_JOB, fields: ['job_id', 'created_at'] },
    { name: DUE, fields: ['due_at'] },
  ],
};

export interface Documents {
  readonly jobs: Collection<JobDocument>;
  readonly firings: Collection<FiringDocument>;
  readonly lanes: Collection<LaneDocument>;
  readonly pauses: Collection<PauseDocument>;
  readonly runs: Collection<RunDocument>;
}

export async function openDocuments(store: Store): Promise<Documents> {
  return {
    jobs: await store.collection(jobs),
    firings: await store.collection(firings),
    lanes: await store.collection(lanes),
    pauses: await store.collection(pauses),
    runs: await store.collection(runs),
  };
}

export function jobDocumentId(installation: string, job: string): string {
  return `${installation}/${job}`;
}

/** One due time of one revision of a job: whoever decides it meets the same document. */
export function firingId(installation: string, job: string, cause: string): string {
  return `${installation}/${job}/${cause}`;
}

/** A firing leads to this run and to no other. */
export function runIdOf(firing: string): string {
  return derivedId('r', firing);
}

function isGated(state: RunState): boolean {
  if (state.phase === 'none' || state.phase === 'ended') return false;
  return passesGate(state.spec) && closedForOf(state.spec) === undefined;
}

function releaseOf(state: RunState): { product?: string; version?: string } {
  if (state.phase === 'none' || state.phase === 'ended' || state.spec.toVersion === '') return {};
  return { product: state.spec.product, version: state.spec.toVersion };
}

export function specOf(state: RunState): RunSpec | undefined {
  return state.phase === 'none' ? undefined : state.spec;
}
