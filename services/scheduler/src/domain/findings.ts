import type { Failure } from '@lastcall/kernel';
import type { CommandResult, DrainCounts, Heard, TakenBackup } from './heard.js';
import type { PhaseBegan } from './phases.js';

/*
 * What a run's report needs of what was heard. What is optional is absent in runs from before it was kept.
 */

export interface Findings {
  readonly report: string;
  readonly absentHosts: readonly string[];
  readonly drain: DrainCounts | undefined;
  readonly backup: TakenBackup | undefined;
  /** Of hosts that had another version than the installation, or were the first to say theirs. */
  readonly versionsBefore?: Readonly<Record<string, string>>;
  readonly versionsAfter: Readonly<Record<string, string>>;
  readonly gateClosedAt: number | undefined;
  readonly gateReopenedAt: number | undefined;
  readonly shutHosts?: Readonly<Record<string, string>>;
  readonly phaseBegan?: PhaseBegan;
  /** When users were told, the first time. */
  readonly noticeAt?: number;
  /** Deadline of the last notice: a hold moves it. */
  readonly logoffAt?: number;
  /** Sessions that were inside at the first notice. */
  readonly told?: number;
  /** When a maintenance window is over. */
  readonly maintenanceEndAt?: number;
  readonly commandResults?: readonly CommandResult[];
  readonly wayBack?: { readonly dataRestored: boolean; readonly failures: readonly Failure[] };
}

export const NOTHING_FOUND: Findings = {
  report: '',
  absentHosts: [],
  drain: undefined,
  backup: undefined,
  versionsAfter: {},
  gateClosedAt: undefined,
  gateReopenedAt: undefined,
};

export function found(findings: Findings, heard: Heard, at: number): Findings {
  switch (heard.event) {
    case 'PreflightPassed':
      return { ...findings, report: heard.report, absentHosts: heard.absentHosts };
    case 'PreflightFailed':
      return { ...findings, report: heard.report };
    case 'StagingCompleted':
    case 'InstallationUpdated':
      return { ...findings, absentHosts: heard.absentHosts };
    case 'GateClosed':
      return { ...findings, gateClosedAt: findings.gateClosedAt ?? at };
    case 'NoticeSent':
      return noticed(findings, heard, at);
    case 'SessionsDrained':
      return { ...findings, drain: heard.drain };
    case 'MaintenanceBegun':
      return { ...findings, drain: heard.drain, maintenanceEndAt: heard.endAt };
    case 'BackupTaken':
      return { ...findings, backup: heard.backup };
    case 'HostUpdated':
      return hostUpdated(findings, heard);
    case 'CommandsRun':
    case 'CommandsFailed':
      return { ...findings, commandResults: heard.results };
    case 'InstallationRolledBack':
      // Hosts that had been updated are back.
      return { ...findings, versionsAfter: {}, wayBack: { dataRestored: heard.dataRestored, failures: [] } };
    case 'InstallationQuarantined':
      return { ...findings, wayBack: { dataRestored: false, failures: heard.rollbackFailures } };
    case 'GateReopened':
      return {
        ...findings,
        gateReopenedAt: at,
        gateClosedAt: heard.closedAt ?? findings.gateClosedAt,
        shutHosts: heard.shutHosts,
      };
    default:
      return findings;
  }
}

function noticed(findings: Findings, { deadlineAt, sessions }: Extract<Heard, { event: 'NoticeSent' }>, at: number) {
  const { noticeAt = at, told = sessions } = findings;
  return { ...findings, noticeAt, told, logoffAt: deadlineAt };
}

function hostUpdated(findings: Findings, { host, from, to }: Extract<Heard, { event: 'HostUpdated' }>): Findings {
  return {
    ...findings,
    versionsBefore: { ...findings.versionsBefore, [host]: findings.versionsBefore?.[host] ?? from },
    versionsAfter: { ...findings.versionsAfter, [host]: to },
  };
}
