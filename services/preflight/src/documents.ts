import { derivedId, type Failure, type RunSpec } from '@lastcall/kernel';
import type { Collection, CollectionSpec, Store } from '@lastcall/store';
import type { BackupState } from './domain/backup.js';
import type { BackupFacts, Override } from './domain/facts.js';
import type { ReadinessState } from './domain/readiness.js';
import type { RehearsalState, Why } from './domain/rehearsal.js';

/*
 * What preflight keeps: reports, restore points, restores on demand, rehearsals and overrides. The document of a run is found by an id that is
 * derived from the run, so that an event that arrives twice, or before another, meets the same document.
 */

export interface ReportDocument {
  readonly installation: string;
  readonly product: string;
  /** Empty for none. */
  readonly version: string;
  /** Absent for a report on demand. */
  readonly run?: RunSpec;
  /** Absent unless it rehearses the next run of a job. */
  readonly rehearsal?: RehearsalOf;
  /** Of a run, when nobody is inside any more, before its backup. */
  readonly isLastLook?: true;
  readonly state: ReadinessState;
  readonly createdAt: number;
  /** When something has to be done although no event came. */
  readonly dueAt?: number;
}

export interface RehearsalOf {
  readonly job: string;
  /** Absent: asked for, and the job has no time. */
  readonly startAt?: number;
  readonly why: Why | 'asked';
  readonly requestedBy: string;
}

/** What a job is going to do and when that is rehearsed. */
export interface RehearsalDocument {
  readonly installation: string;
  readonly job: string;
  /** Of the event that said it last. */
  readonly sequence: number;
  readonly saidAt: number;
  readonly state: RehearsalState;
  readonly dueAt?: number;
}

/** Where others reach a host, as it said itself. */
export interface AddressesDocument {
  readonly addresses: readonly string[];
}

export interface OverrideDocument extends Override {
  readonly installation: string;
}

export interface BackupDocument {
  readonly installation: string;
  readonly product: string;
  readonly run?: RunSpec;
  readonly state: BackupState;
  readonly progress?: Progress;
  readonly createdAt: number;
  readonly dueAt?: number;
}

/** What a host is at. Bytes; `total` 0 when unknown. */
export interface Progress {
  readonly step: string;
  readonly done: number;
  readonly total: number;
}

/** How many backups of an installation stay; its id is the installation's. */
export interface BackupPolicyDocument {
  /** Absent: the default. */
  readonly keep?: number;
  /** When it has to be seen to that no more are there. */
  readonly dueAt?: number;
}

export interface RestoreDocument {
  readonly installation: string;
  readonly restorePoint: string;
  readonly host: string;
  readonly state: 'pending' | 'done' | 'failed';
  readonly failure?: Failure;
  readonly progress?: Progress;
  readonly createdAt: number;
  readonly dueAt?: number;
}

/** Index of what is due, the same in each collection. */
export const DUE = 'due';
export const BY_INSTALLATION = 'by_installation';
/** Of all installations, by age. */
export const CREATED = 'made';
export const EXPIRED = 'expired';
/** Backups that hold data, not those that only name an older one. */
export const PROVEN = 'proven';
/** Overrides that nobody has taken back. */
export const BY_JOB = 'by_job';

const reports: CollectionSpec<ReportDocument> = {
  name: 'reports',
  fields: (d) => ({ installation: d.installation, created_at: d.createdAt, made_at: d.createdAt, due_at: d.dueAt }),
  indexes: [
    { name: BY_INSTALLATION, fields: ['installation', 'created_at'] },
    { name: CREATED, fields: ['made_at'] },
    { name: DUE, fields: ['due_at'] },
  ],
};

function isOwn({ state }: BackupDocument): boolean {
  if (state.phase === 'taken') return state.host !== '';
  return state.phase !== 'none' && state.phase !== 'abandoned';
}

/** When a proven one was taken. */
function provenAt({ state }: BackupDocument): number | undefined {
  const isProven = state.phase === 'reported' || (state.phase === 'taken' && state.host !== '');
  return isProven ? state.backup.takenAt : undefined;
}

const backups: CollectionSpec<BackupDocument> = {
  name: 'backups',
  fields: (d) => ({
    installation: d.installation,
    created_at: isOwn(d) ? d.createdAt : undefined,
    taken_at: provenAt(d),
    made_at: d.createdAt,
    due_at: d.dueAt,
  }),
  indexes: [
    { name: BY_INSTALLATION, fields: ['installation', 'created_at'] },
    { name: PROVEN, fields: ['installation', 'taken_at'] },
    { name: CREATED, fields: ['made_at'] },
    { name: DUE, fields: ['due_at'] },
  ],
};

const restores: CollectionSpec<RestoreDocument> = {
  name: 'restores',
  fields: (d) => ({ made_at: d.createdAt, due_at: d.dueAt }),
  indexes: [
    { name: CREATED, fields: ['made_at'] },
    { name: DUE, fields: ['due_at'] },
  ],
};

const rehearsals: CollectionSpec<RehearsalDocument> = {
  name: 'rehearsals',
  fields: (d) => ({ due_at: d.dueAt }),
  indexes: [{ name: DUE, fields: ['due_at'] }],
};

const policies: CollectionSpec<BackupPolicyDocument> = {
  name: 'backup_policies',
  fields: (d) => ({ due_at: d.dueAt }),
  indexes: [{ name: DUE, fields: ['due_at'] }],
};
const addresses: CollectionSpec<AddressesDocument> = { name: 'addresses', fields: () => ({}), indexes: [] };

const overrides: CollectionSpec<OverrideDocument> = {
  name: 'overrides',
  fields: (d) => ({
    installation: d.installation,
    created_at: d.createdAt,
    job_id: d.revokedAt === undefined ? jobIdOf(d.installation, d.job) : undefined,
    expires_at: d.expiresAt,
  }),
  indexes: [
    { name: BY_INSTALLATION, fields: ['installation', 'created_at'] },
    { name: BY_JOB, fields: ['job_id', 'expires_at'] },
    { name: EXPIRED, fields: ['expires_at'] },
  ],
};

export interface Documents {
  readonly reports: Collection<ReportDocument>;
  readonly backups: Collection<BackupDocument>;
  readonly restores: Collection<RestoreDocument>;
  readonly rehearsals: Collection<RehearsalDocument>;
  readonly overrides: Collection<OverrideDocument>;
  readonly policies: Collection<BackupPolicyDocument>;
  /** By `{installation}/{host}`. */
  readonly addresses: Collection<AddressesDocument>;
}

export async function openDocuments(store: Store): Promise<Documents> {
  return {
    reports: await store.collection(reports),
    backups: await store.collection(backups),
    restores: await store.collection(restores),
    rehearsals: await store.collection(rehearsals),
    overrides: await store.collection(overrides),
    policies: await store.collection(policies),
    addresses: await store.collection(addresses),
  };
}

/** Names a job in the whole system. */
export function jobIdOf(installation: string, job: string): string {
  return `${installation}/${job}`;
}

export function reportIdOf(run: string): string {
  return derivedId('p', run);
}

export function lastLookIdOf(run: string): string {
  return derivedId('p', run, 'last-look');
}

/** Name of a restore point: when, in UTC, and what makes it one of its kind. `20261128-220000-k3j5x7ab`. */
export function restorePointName(at: number, unique: string): string {
  const stamp = new Date(at).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  return `${stamp}-${derivedId('b', unique).slice(2, 10)}`;
}

export function restorePointOf(run: RunSpec): string {
  return restorePointName(run.startedAt, run.run);
}

/** An order carries the document that waits for it in its id: `{document}.{host}`. */
export function orderId(document: string, host: string): string {
  return `${document}.${host}`;
}

export function documentOfOrder(order: string): string {
  return order.split('.')[0] ?? '';
}

export async function provenBackup(
  documents: Documents,
  installation: string,
  restorePoint: string,
): Promise<BackupFacts | undefined> {
  const found = (await documents.backups.get(restorePoint))?.data;
  return found?.installation === installation && found.state.phase === 'taken' ? found.state.backup : undefined;
}

/** The newest backup that this service has seen proven. */
export async function newestProven(documents: Documents, installation: string): Promise<BackupFacts | undefined> {
  const query = { index: PROVEN, where: { installation }, order: 'descending', limit: 1 } as const;
  const state = (await documents.backups.query(query)).items[0]?.data.state;
  return state?.phase === 'taken' || state?.phase === 'reported' ? state.backup : undefined;
}
