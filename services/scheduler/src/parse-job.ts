import {
  backupMode,
  checkRestorePoint,
  checkVersion,
  commonV1,
  durationToMs,
  jobType,
  type schedulerV1,
} from '@lastcall/contracts';
import {
  checkId,
  checkRange,
  checkText,
  collect,
  DAY_MS,
  HOUR_MS,
  invalid,
  LIMITS,
  MINUTE_MS,
  quoted,
  type JobType,
  type Rejected,
  type Violation,
} from '@lastcall/kernel';
import { commandViolations } from './command-jobs.js';
import type { JobDefinition, Start } from './domain/job.js';
import { defaultRunTimeMs, maintenanceViolations } from './maintenance-windows.js';
import { parseStart } from './parse-start.js';
import { RETRIES } from './retries.js';

/*
 * A job from the wire to the domain, once, with every wrong field named at once.
 */

const RUNNABLE: readonly JobType[] = ['software-update', 'data-backup', 'maintenance-window', 'run-command'];

const DEFAULTS = { maxRunTimeMs: 2 * HOUR_MS, runIfLateWithinMs: 15 * MINUTE_MS } as const;

/** Fields that UpdateJob can change, as they stand in its mask. */
export const EDITABLE: Readonly<Record<string, keyof JobDefinition>> = {
  title: 'title',
  start: 'start',
  version: 'version',
  service_host: 'serviceHost',
  max_run_time: 'maxRunTimeMs',
  follow_up_job: 'followUpJob',
  remarks: 'remarks',
  reaction_time: 'reactionTimeMs',
  message: 'message',
  backup_mode: 'backupMode',
  run_if_late_within: 'runIfLateWithinMs',
  holds_allowed: 'holdsAllowed',
  latest_start: 'latestStart',
  window_end: 'windowEnd',
  closed_for: 'closedForMs',
  command: 'command',
  command_hosts: 'commandHosts',
  labels: 'labels',
  excluded_hosts: 'excludedHosts',
  retries: 'retries',
  retry_pause: 'retryPauseMs',
  backup_keep: 'backupKeep',
};

export function parseJob(wire: schedulerV1.Job | undefined, jobId: string): JobDefinition | Rejected {
  if (!wire) return invalid([{ field: 'job', description: 'is missing' }]);
  const type = jobType.fromWire(wire.type);
  const start = parseStart(wire.start);
  const closedForMs = durationToMs(wire.closedFor);
  const maxRunTimeMs = durationToMs(wire.maxRunTime) ?? defaultRunTimeMs(wire, type) ?? DEFAULTS.maxRunTimeMs;
  const runIfLateWithinMs = durationToMs(wire.runIfLateWithin) ?? DEFAULTS.runIfLateWithinMs;
  const reactionTimeMs = durationToMs(wire.reactionTime);
  const retryPauseMs = durationToMs(wire.retryPause) ?? RETRIES.pauseMs;
  const wrong = collect(
    ...texts(wire, jobId),
    typeViolation(type),
    backupModeViolation(wire.backupMode),
    ...downgradeViolations(wire, type),
    ...('kind' in start ? [] : start),
    checkRange('job.retries', wire.retries, 0, RETRIES.max, 'tries after the first'),
    checkRange('job.retry_pause', retryPauseMs, MINUTE_MS, 4 * HOUR_MS, 'ms (1 min to 4 h)'),
    ...windowViolations(wire, start),
    ...maintenanceViolations(wire, type),
    ...commandViolations(wire, type),
    ...labelViolations(wire.labels),
    ...excludedViolations(wire.excludedHosts, type),
    keepViolation(wire.backupKeep, type),
    wire.version === '' ? undefined : checkVersion('job.version', wire.version),
    checkRange('job.max_run_time', maxRunTimeMs, MINUTE_MS, DAY_MS, 'ms (1 min to 24 h)'),
    checkRange('job.run_if_late_within', runIfLateWithinMs, 0, DAY_MS, 'ms (0 s to 24 h)'),
    reactionTimeMs === undefined
      ? undefined
      : checkRange('job.reaction_time', reactionTimeMs, 0, DAY_MS, 'ms (0 s to 24 h)'),
  );
  if (wrong.length > 0 || type === undefined || !('kind' in start)) return invalid(wrong);
  return {
    title: wire.title,
    type,
    start,
    version: wire.version,
    serviceHost: wire.serviceHost,
    maxRunTimeMs,
    followUpJob: wire.followUpJob,
    remarks: wire.remarks,
    reactionTimeMs,
    message: wire.message,
    backupMode: backupMode.fromWire(wire.backupMode) ?? 'take',
    runIfLateWithinMs,
    holdsAllowed: wire.holdsAllowed,
    ...(wire.downgrade && { downgrade: { dataFrom: wire.downgrade.dataFrom } }),
    ...(wire.latestStart !== '' && { latestStart: wire.latestStart }),
    ...(wire.windowEnd !== '' && { windowEnd: wire.windowEnd }),
    ...(closedForMs !== undefined && { closedForMs }),
    ...(wire.command !== '' && { command: wire.command }),
    ...(wire.commandHosts.length > 0 && { commandHosts: [...new Set(wire.commandHosts)].toSorted() }),
    ...(wire.retries > 0 && { retries: wire.retries, retryPauseMs }),
    ...(Object.keys(wire.labels).length > 0 && { labels: wire.labels }),
    ...(wire.backupKeep > 0 && { backupKeep: wire.backupKeep }),
    ...(wire.excludedHosts.length > 0 && { excludedHosts: [...new Set(wire.excludedHosts)].toSorted() }),
  };
}

/** Going back is explicit in everything: the version, where its data comes from, and a backup of what is given up. */
function downgradeViolations(wire: schedulerV1.Job, type: JobType | undefined): (Violation | undefined)[] {
  const { downgrade } = wire;
  if (!downgrade) return [];
  const isOther = type !== undefined && type !== 'software-update';
  const elsewhere = backupMode.fromWire(wire.backupMode) === 'made-elsewhere';
  const { dataFrom } = downgrade;
  return [
    isOther ? { field: 'job.downgrade', description: 'is for software updates only' } : undefined,
    wire.version === '' ? { field: 'job.version', description: 'must be said for a downgrade' } : undefined,
    elsewhere ? { field: 'job.backup_mode', description: 'must be take for a downgrade' } : undefined,
    dataFrom === '' ? undefined : checkRestorePoint('job.downgrade.data_from', dataFrom),
  ];
}

const TIME_OF_DAY = /^([01]\d|2[0-3]):[0-5]\d$/;

/** Whether the times can be meant; how long the window is, is known only with the installation (window.ts). */
function windowViolations(
  { latestStart, windowEnd }: schedulerV1.Job,
  start: Start | readonly Violation[],
): (Violation | undefined)[] {
  const fixed = !('kind' in start) || start.kind === 'time' || start.kind === 'series';
  const times = { 'job.latest_start': latestStart, 'job.window_end': windowEnd };
  return Object.entries(times).map(([field, value]) => {
    if (value === '') return undefined;
    if (!TIME_OF_DAY.test(value)) {
      return {
        field,
        description: `is ${quoted(value)}; a local time of day is needed, such as 23:30 (00:00 to 23:59)`,
      };
    }
    return fixed
      ? undefined
      : { field, description: `is for starts of kind time and series; this one is ${start.kind}` };
  });
}

const LABELS = 16;
const LABEL = /^[a-z0-9-]{1,63}$/;

function labelViolations(labels: schedulerV1.Job['labels']): readonly Violation[] {
  const field = 'job.labels';
  const entries = Object.entries(labels);
  if (entries.length > LABELS) return [{ field, description: `are ${entries.length}; allowed are ${LABELS}` }];
  const wrong = entries.find((entry) => !entry.every((part) => LABEL.test(part)));
  if (!wrong) return [];
  const description = `has ${quoted(wrong.join('='))}; allowed are key=value, each 1 to 63 characters of a-z, 0-9 and -`;
  return [{ field, description }];
}

/** Whether they are hosts, and may follow later, is known with the installation. */
function excludedViolations(hosts: readonly string[], type: JobType | undefined): readonly Violation[] {
  const field = 'job.excluded_hosts';
  if (hosts.length === 0) return [];
  if (hosts.length > LIMITS.pageSize)
    return [{ field, description: `are ${hosts.length}; allowed are ${LIMITS.pageSize}` }];
  if (type !== undefined && type !== 'software-update') return [{ field, description: 'is for software updates only' }];
  return collect(hosts.map((host) => checkId(field, host)).find((wrong) => wrong !== undefined));
}

const MAX_KEEP = 1_000;

function keepViolation(keep: number, type: JobType | undefined): Violation | undefined {
  const field = 'job.backup_keep';
  if (keep > MAX_KEEP) return { field, description: `is ${keep}; allowed are 1 to ${MAX_KEEP} restore points, or 0` };
  const isOther = keep > 0 && type !== undefined && type !== 'data-backup';
  return isOther ? { field, description: 'is for data backups only; see: lastcall backup policy' } : undefined;
}

function texts(wire: schedulerV1.Job, jobId: string): (Violation | undefined)[] {
  const self: Violation = { field: 'job.follow_up_job', description: 'is the job itself; choose another one' };
  return [
    checkText('job.title', wire.title, { min: 1, max: LIMITS.titleChars, lines: false }),
    checkText('job.remarks', wire.remarks, { max: LIMITS.textChars }),
    checkText('job.message', wire.message, { max: LIMITS.textChars }),
    wire.serviceHost === '' ? undefined : checkId('job.service_host', wire.serviceHost),
    wire.followUpJob === '' ? undefined : checkId('job.follow_up_job', wire.followUpJob),
    wire.followUpJob !== '' && wire.followUpJob === jobId ? self : undefined,
  ];
}

/** Not said means that one is taken; what is not known must not mean it. */
function backupModeViolation(wire: commonV1.BackupMode): Violation | undefined {
  if (wire === commonV1.BackupMode.UNSPECIFIED || backupMode.fromWire(wire) !== undefined) return undefined;
  return { field: 'job.backup_mode', description: `is ${wire}; allowed are TAKE and MADE_ELSEWHERE` };
}

function typeViolation(type: JobType | undefined): Violation | undefined {
  if (type !== undefined && RUNNABLE.includes(type)) return undefined;
  return { field: 'job.type', description: `is ${type ?? 'not said'}; allowed are ${RUNNABLE.join(', ')}` };
}
