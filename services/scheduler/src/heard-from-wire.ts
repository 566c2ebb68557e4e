import { dateToAt, failureFromWire, runOutcome, type EventMessage, type EventType } from '@lastcall/contracts';
import { failure, type Failure } from '@lastcall/kernel';
import type { commonV1, eventsV1, preflightV1 } from '@lastcall/contracts';
import type { CommandResult, DrainCounts, Heard } from './domain/heard.js';

/*
 * The events of a run as values of the domain. One function for each event; what a newer peer left out or added is no
 * reason to fail, a run's report may only say less.
 */

type Readers = { readonly [T in Heard['event']]: (message: EventMessage<T & EventType>) => Heard };

function failed(wire: commonV1.Failure | undefined): Failure {
  return wire ? failureFromWire(wire) : failure('UNKNOWN', 'no reason was given');
}

function blocked(checks: readonly preflightV1.Check[]): Failure {
  const list = checks.map((c) => `${c.host === '' ? '' : `${c.host}: `}${c.asked}: ${c.found}. ${c.remedy}`);
  const host = checks.length === 1 ? (checks[0]?.host ?? '') : '';
  return failure('NOT_READY', list.join('; ').slice(0, 4_000) || 'a check is not green', host);
}

function drainCounts(summary: eventsV1.DrainSummary | undefined): DrainCounts {
  const none = { told: 0, acknowledged: 0, left: 0, ended: 0, lost: 0, read: 0, ready: 0, holds: 0 };
  return { ...none, ...summary };
}

function commandResult({ host, output, failure: why }: eventsV1.CommandResult): CommandResult {
  return { host, output, ...(why && { failure: failureFromWire(why) }) };
}

export const HEARD: Readers = {
  PreflightPassed: ({ report, absentHosts }) => ({ event: 'PreflightPassed', report, absentHosts }),
  PreflightFailed: ({ report, blocking }) => ({ event: 'PreflightFailed', report, failure: blocked(blocking) }),
  StagingCompleted: ({ absentHosts }) => ({ event: 'StagingCompleted', absentHosts }),
  StagingFailed: (m) => ({ event: 'StagingFailed', failure: failed(m.failure) }),
  GateClosed: ({ epoch }) => ({ event: 'GateClosed', epoch }),
  NoticeSent: (m) => ({ event: 'NoticeSent', deadlineAt: dateToAt(m.deadline) ?? 0, sessions: m.sessionCount }),
  SessionsDrained: ({ summary }) => ({ event: 'SessionsDrained', drain: drainCounts(summary) }),
  MaintenanceBegun: ({ summary, endTime }) => ({
    event: 'MaintenanceBegun',
    drain: drainCounts(summary),
    endAt: dateToAt(endTime) ?? 0,
  }),
  DrainFailed: (m) => ({ event: 'DrainFailed', failure: failed(m.failure) }),
  BackupTaken: ({ backup }) => ({
    event: 'BackupTaken',
    backup: {
      restorePoint: backup?.restorePoint ?? '',
      host: backup?.host ?? '',
      version: backup?.version ?? '',
      takenAt: dateToAt(backup?.takenAt) ?? 0,
      sizeBytes: Number(backup?.sizeBytes ?? 0n),
      sha256: backup?.sha256 ?? '',
      verified: backup?.verified ?? false,
    },
  }),
  BackupFailed: (m) => ({ event: 'BackupFailed', failure: failed(m.failure) }),
  DrainConfirmed: () => ({ event: 'DrainConfirmed' }),
  InstallStarted: ({ restorePoint }) => ({ event: 'InstallStarted', restorePoint }),
  HostUpdated: (m) => ({ event: 'HostUpdated', host: m.host, from: m.fromVersion, to: m.toVersion }),
  InstallationUpdated: ({ absentHosts }) => ({ event: 'InstallationUpdated', absentHosts }),
  InstallationRolledBack: (m) => ({
    event: 'InstallationRolledBack',
    failure: failed(m.failure),
    dataRestored: m.dataRestored,
  }),
  InstallationQuarantined: (m) => ({
    event: 'InstallationQuarantined',
    failure: failed(m.failure),
    rollbackFailures: m.rollbackFailures.map(failureFromWire),
  }),
  CommandsStarted: ({ hosts }) => ({ event: 'CommandsStarted', hosts }),
  CommandsRun: ({ results }) => ({ event: 'CommandsRun', results: results.map(commandResult) }),
  CommandsFailed: (m) => ({
    event: 'CommandsFailed',
    failure: failed(m.failure),
    results: m.results.map(commandResult),
  }),
  FirstStartProven: ({ host, version }) => ({ event: 'FirstStartProven', host, version }),
  RunCancelled: (m) => ({ event: 'RunCancelled', by: m.requestedBy, reason: m.reason, expired: m.expired }),
  GateReopened: (m) => ({
    event: 'GateReopened',
    outcome: runOutcome.fromWire(m.outcome),
    failure: m.failure && failureFromWire(m.failure),
    shutHosts: m.shutHosts,
    closedAt: dateToAt(m.closedAt),
    openedBy: m.openedBy,
  }),
  HostOrderProgressed: (m) => ({
    event: 'HostOrderProgressed',
    host: m.order?.host ?? '',
    step: m.progress?.step ?? '',
    note: m.progress?.note ?? '',
  }),
};
