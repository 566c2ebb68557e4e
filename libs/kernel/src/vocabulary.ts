/*
 * Words of the glossary that more than one domain uses, as plain values. They survive JSON, so documents hold them as
 * they are.
 */

export type InstallationKind = 'single-user' | 'multi-user';
export type HostRole = 'server' | 'terminal-server' | 'workstation';
export type JobType = 'software-update' | 'data-backup' | 'maintenance-window' | 'run-command';
export type BackupMode = 'take' | 'made-elsewhere';
export type RunOutcome = 'succeeded' | 'failed' | 'rolled-back' | 'quarantined' | 'cancelled' | 'expired' | 'postponed';

/** A host as a run sees it. */
export interface RunHost {
  readonly host: string;
  readonly role: HostRole;
  /** Whether the update may go ahead without it. */
  readonly mayFollowLater: boolean;
}

/** Everything that was decided when a run was opened. Never changes; travels with each event of the run. */
export interface RunSpec {
  readonly run: string;
  readonly installation: string;
  readonly job: string;
  readonly type: JobType;
  readonly kind: InstallationKind;
  readonly product: string;
  /** Empty when unknown. */
  readonly fromVersion: string;
  /** Empty for a run that updates nothing. */
  readonly toVersion: string;
  readonly hosts: readonly RunHost[];
  readonly reactionTimeMs: number;
  readonly message: string;
  readonly backupMode: BackupMode;
  readonly backupMaxAgeMs: number;
  /** Grows with every run of the installation. */
  readonly fence: number;
  readonly nominalAt: number;
  readonly startedAt: number;
  readonly deadlineAt: number;
  readonly requestedBy: string;
  readonly timeZone: string;
  readonly holdsAllowed: boolean;
  /** What is new in the version, for users. */
  readonly whatsNew: string;
  /** Set when the run leads to an older version. */
  readonly downgrade?: Downgrade;
  /** Of a maintenance window: how long the gate stays shut once nobody is inside. */
  readonly closedForMs?: number;
  /** Of a run-command: id of the action in the manifest of `fromVersion`. */
  readonly command?: string;
  /** Restore points of its job that stay; absent: they count with all others of the installation. */
  readonly backupKeep?: number;
  /** W3C trace context that all of the run belongs to; absent in one that was opened before this was kept. */
  readonly traceparent?: string;
}

/** The way to an older version. */
export interface Downgrade {
  /** Restore point that the data is brought back from; empty: the data stays. */
  readonly dataFrom: string;
}

/** Why something failed, in a form that a report can show. */
export interface Failure {
  /** UPPER_SNAKE_CASE. */
  readonly reason: string;
  /** One sentence: what, where, what to do. */
  readonly message: string;
  /** Empty when it is not about one host. */
  readonly host: string;
  readonly facts: Readonly<Record<string, string>>;
}

export function failure(reason: string, message: string, host = '', facts: Record<string, string> = {}): Failure {
  return { reason, message, host, facts };
}

/** Whether the run shuts the gate and drains: an update or a maintenance window of an installation that many are logged in to. */
export function passesGate({ type, kind }: Pick<RunSpec, 'type' | 'kind'>): boolean {
  return (type === 'software-update' || type === 'maintenance-window') && kind === 'multi-user';
}

/** How long a maintenance window keeps the gate shut once nobody is inside, in milliseconds; undefined: the run is none. */
export function closedForOf({ type, closedForMs = 0 }: Pick<RunSpec, 'type' | 'closedForMs'>): number | undefined {
  return type === 'maintenance-window' ? closedForMs : undefined;
}

/**
 * Field of the signed snapshot: `product/version` of withdrawn releases that the lists of releases still name, because their keys are not on the catalog.
 * Absent for none.
 */
export const WITHDRAWN_FIELD = 'x-lastcall-withdrawn';
export const MAX_WITHDRAWN = 1_000;
