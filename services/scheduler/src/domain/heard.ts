import type { Failure, RunOutcome } from '@lastcall/kernel';

/*
 * What the scheduler hears of a run from the services that carry it out, as values of the domain.
 */

export interface DrainCounts {
  readonly told: number;
  readonly acknowledged: number;
  readonly left: number;
  readonly ended: number;
  readonly lost: number;
  /** The next three are absent in what was heard before they were counted. */
  readonly read?: number;
  readonly ready?: number;
  readonly holds?: number;
}

export interface TakenBackup {
  readonly restorePoint: string;
  readonly host: string;
  readonly version: string;
  readonly takenAt: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Whether it was proven; absent in what was heard before this was kept: it was. */
  readonly verified?: boolean;
}

/** What came of a command on one host. */
export interface CommandResult {
  readonly host: string;
  /** Absent when it ended well. */
  readonly failure?: Failure;
  readonly output: string;
}

export type Heard =
  | { readonly event: 'PreflightPassed'; readonly report: string; readonly absentHosts: readonly string[] }
  | { readonly event: 'PreflightFailed'; readonly report: string; readonly failure: Failure }
  | { readonly event: 'StagingCompleted'; readonly absentHosts: readonly string[] }
  | { readonly event: 'StagingFailed'; readonly failure: Failure }
  | { readonly event: 'GateClosed'; readonly epoch: number }
  | { readonly event: 'NoticeSent'; readonly deadlineAt: number; readonly sessions: number }
  | { readonly event: 'SessionsDrained'; readonly drain: DrainCounts }
  | { readonly event: 'MaintenanceBegun'; readonly drain: DrainCounts; readonly endAt: number }
  | { readonly event: 'DrainFailed'; readonly failure: Failure }
  | { readonly event: 'BackupTaken'; readonly backup: TakenBackup }
  | { readonly event: 'BackupFailed'; readonly failure: Failure }
  | { readonly event: 'DrainConfirmed' }
  | { readonly event: 'InstallStarted'; readonly restorePoint: string }
  | { readonly event: 'HostUpdated'; readonly host: string; readonly from: string; readonly to: string }
  | { readonly event: 'InstallationUpdated'; readonly absentHosts: readonly string[] }
  | { readonly event: 'InstallationRolledBack'; readonly failure: Failure; readonly dataRestored: boolean }
  | {
      readonly event: 'InstallationQuarantined';
      readonly failure: Failure;
      readonly rollbackFailures: readonly Failure[];
    }
  | { readonly event: 'CommandsStarted'; readonly hosts: readonly string[] }
  | { readonly event: 'CommandsRun'; readonly results: readonly CommandResult[] }
  | { readonly event: 'CommandsFailed'; readonly failure: Failure; readonly results: readonly CommandResult[] }
  | { readonly event: 'FirstStartProven'; readonly host: string; readonly version: string }
  | { readonly event: 'RunCancelled'; readonly by: string; readonly reason: string; readonly expired: boolean }
  | {
      readonly event: 'GateReopened';
      readonly outcome: RunOutcome | undefined;
      readonly failure: Failure | undefined;
      readonly shutHosts: Readonly<Record<string, string>>;
      readonly closedAt: number | undefined;
      /** Who ended a maintenance window before its time, and why; empty or absent: nobody. */
      readonly openedBy?: string;
    }
  | { readonly event: 'HostOrderProgressed'; readonly host: string; readonly step: string; readonly note?: string };
