import type * as kernel from '@lastcall/kernel';
import * as common from './gen/lastcall/common/v1/common.js';

/*
 * Values of the glossary to and from the wire, one pair of functions each. An enum value of a newer peer becomes
 * undefined here, so that every reader has to say what it does with it.
 */

function enumPair<V extends string, W extends number>(table: Readonly<Record<V, W>>) {
  const back = new Map(Object.entries(table).map(([value, wire]) => [wire as W, value as V]));
  return { toWire: (value: V): W => table[value], fromWire: (wire: W): V | undefined => back.get(wire) };
}

export const installationKind = enumPair<kernel.InstallationKind, common.InstallationKind>({
  'single-user': common.InstallationKind.SINGLE_USER,
  'multi-user': common.InstallationKind.MULTI_USER,
});
export const hostRole = enumPair<kernel.HostRole, common.HostRole>({
  server: common.HostRole.SERVER,
  'terminal-server': common.HostRole.TERMINAL_SERVER,
  workstation: common.HostRole.WORKSTATION,
});
export const jobType = enumPair<kernel.JobType, common.JobType>({
  'software-update': common.JobType.SOFTWARE_UPDATE,
  'data-backup': common.JobType.DATA_BACKUP,
  'maintenance-window': common.JobType.MAINTENANCE_WINDOW,
  'run-command': common.JobType.RUN_COMMAND,
});
export const backupMode = enumPair<kernel.BackupMode, common.BackupMode>({
  take: common.BackupMode.TAKE,
  'made-elsewhere': common.BackupMode.MADE_ELSEWHERE,
});
export const runOutcome = enumPair<kernel.RunOutcome, common.RunOutcome>({
  succeeded: common.RunOutcome.SUCCEEDED,
  failed: common.RunOutcome.FAILED,
  'rolled-back': common.RunOutcome.ROLLED_BACK,
  quarantined: common.RunOutcome.QUARANTINED,
  cancelled: common.RunOutcome.CANCELLED,
  expired: common.RunOutcome.EXPIRED,
  postponed: common.RunOutcome.POSTPONED,
});

/** Milliseconds of a wire Duration, undefined when absent. */
export function durationToMs(duration: { seconds: bigint; nanos: number } | undefined): number | undefined {
  return duration && Number(duration.seconds) * 1000 + Math.round(duration.nanos / 1e6);
}

export function msToDuration(ms: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.trunc(ms / 1000)), nanos: Math.round(ms % 1000) * 1e6 };
}

/** Milliseconds since the epoch of a wire Timestamp, undefined when absent. */
export function dateToAt(date: Date | undefined): number | undefined {
  return date?.getTime();
}

export function atToDate(at: number): Date {
  return new Date(at);
}

export function failureToWire(failure: kernel.Failure): common.Failure {
  return { ...failure, facts: { ...failure.facts } };
}

export function failureFromWire(wire: common.Failure): kernel.Failure {
  return { reason: wire.reason, message: wire.message, host: wire.host, facts: wire.facts };
}

export function runSpecToWire(spec: kernel.RunSpec): common.RunSpec {
  return {
    run: spec.run,
    installation: spec.installation,
    job: spec.job,
    type: jobType.toWire(spec.type),
    kind: installationKind.toWire(spec.kind),
    product: spec.product,
    fromVersion: spec.fromVersion,
    toVersion: spec.toVersion,
    hosts: spec.hosts.map((h) => ({ host: h.host, role: hostRole.toWire(h.role), mayFollowLater: h.mayFollowLater })),
    reactionTime: msToDuration(spec.reactionTimeMs),
    message: spec.message,
    backupMode: backupMode.toWire(spec.backupMode),
    backupMaxAge: msToDuration(spec.backupMaxAgeMs),
    fence: spec.fence,
    nominalTime: atToDate(spec.nominalAt),
    startedAt: atToDate(spec.startedAt),
    deadline: atToDate(spec.deadlineAt),
    requestedBy: spec.requestedBy,
    timeZone: spec.timeZone,
    holdsAllowed: spec.holdsAllowed,
    // A document that was written before this field has none.
    whatsNew: spec.whatsNew ?? '',
    downgrade: spec.downgrade && { ...spec.downgrade },
    closedFor: spec.closedForMs === undefined ? undefined : msToDuration(spec.closedForMs),
    command: spec.command ?? '',
    backupKeep: spec.backupKeep ?? 0,
    traceparent: spec.traceparent ?? '',
  };
}

/** Whether a message that was read has a time in it that no clock shows: it could not be written again. The decoder has bounded the depth. */
export function hasImpossibleTime(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (value instanceof Date) return Number.isNaN(value.getTime());
  return Object.values(value).some(hasImpossibleTime);
}
