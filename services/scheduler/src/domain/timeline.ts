import { assertNever, type RunSpec } from '@lastcall/kernel';
import type { DrainCounts, Heard } from './heard.js';

/** One thing that happened in a run, for people. */
export interface TimelineEntry {
  readonly at: number;
  readonly event: string;
  /** Empty when it is not about one host. */
  readonly host: string;
  readonly text: string;
}

export const TIMELINE_MAX = 1_000;
/** Steps of hosts are the many; behind so many entries there is room only for what tells how the run went. */
export const STEPS_UNTIL = 500;

const plural = (n: number, one: string) => `${n} ${one}${n === 1 ? '' : 's'}`;
const later = (hosts: readonly string[]) => (hosts.length > 0 ? `; ${hosts.join(', ')} follow later` : '');

/** Hosts that are not there are updated later; a command is not run on them. */
function textOf(heard: Heard, { type }: Pick<RunSpec, 'type'>): string {
  if (type !== 'run-command' || heard.event !== 'PreflightPassed') return sentence(heard);
  const { absentHosts } = heard;
  return `every check is green${absentHosts.length > 0 ? `; not there, and left out: ${absentHosts.join(', ')}` : ''}`;
}

/** The sentence for an event. */
export function sentence(heard: Heard): string {
  switch (heard.event) {
    case 'PreflightPassed':
      return `every check is green${later(heard.absentHosts)}`;
    case 'StagingCompleted':
      return `the release is verified on every host${later(heard.absentHosts)}`;
    case 'GateClosed':
      return 'nobody can log in any more';
    case 'NoticeSent':
      return `${plural(heard.sessions, 'session')} told`;
    case 'SessionsDrained':
      return nobodyInside(heard.drain);
    case 'MaintenanceBegun':
      return `the maintenance has begun; ${nobodyInside(heard.drain)}`;
    case 'BackupTaken':
      return heard.backup.restorePoint === ''
        ? 'there is no data to back up'
        : `restore point ${heard.backup.restorePoint}`;
    case 'DrainConfirmed':
      return 'still nobody inside';
    case 'InstallStarted':
      return 'hosts are being changed';
    case 'HostUpdated':
      return `${heard.from || 'nothing'} → ${heard.to}`;
    case 'InstallationUpdated':
      return `every host is on the new version${later(heard.absentHosts)}`;
    case 'InstallationRolledBack':
      return `back on the old version${heard.dataRestored ? ', data restored' : ''}: ${heard.failure.message}`;
    case 'CommandsStarted':
      return `${heard.hosts.join(', ')} ${heard.hosts.length === 1 ? 'was' : 'were'} told to run the command`.slice(
        0,
        1_000,
      );
    case 'CommandsRun':
      return `the command ended well on ${plural(heard.results.length, 'host')}`;
    case 'FirstStartProven':
      return `the client was started on ${heard.version}`;
    case 'RunCancelled':
      return heard.expired ? 'its time was up before the install' : `cancelled by ${heard.by}: ${heard.reason}`;
    case 'GateReopened':
      return reopened(heard);
    case 'HostOrderProgressed':
      return heard.note ? `${heard.step}: ${heard.note}` : heard.step;
    case 'PreflightFailed':
    case 'StagingFailed':
    case 'DrainFailed':
    case 'BackupFailed':
    case 'InstallationQuarantined':
    case 'CommandsFailed':
      return heard.failure.message;
    default:
      return assertNever(heard);
  }
}

function nobodyInside({ told, acknowledged, read = 0, left, ended, lost }: DrainCounts): string {
  return `nobody is inside: ${told} told, ${acknowledged} acknowledged, ${read} read, ${left} left, ${ended} ended, ${lost} lost`;
}

function reopened({ shutHosts, closedAt, openedBy = '' }: Extract<Heard, { event: 'GateReopened' }>): string {
  const shut = Object.entries(shutHosts).map(([host, why]) => `${host} stays shut: ${why}`);
  if (shut.length > 0) return shut.join('; ');
  if (closedAt === undefined) return 'the gate had not been shut';
  return openedBy === '' ? 'users may log in' : `users may log in; opened before its time by ${openedBy}`;
}

export function entryFor(heard: Heard, at: number, spec: Pick<RunSpec, 'type'>): TimelineEntry {
  return { at, event: heard.event, host: 'host' in heard ? heard.host : '', text: textOf(heard, spec) };
}
