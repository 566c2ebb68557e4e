import {
  atToDate,
  backupMode,
  eventsV1,
  failureToWire,
  formatName,
  jobType,
  msToDuration,
  runOutcome,
  runSpecToWire,
  schedulerV1,
} from '@lastcall/contracts';
import { confirmationToWire } from './confirmations.js';
import type { FiringDocument, JobDocument, RunDocument } from './documents.js';
import type { JobDefinition, JobState } from './domain/job.js';
import type { RunState } from './domain/run.js';

/*
 * Documents to the wire.
 */

const JOB_STATES: Readonly<Record<Exclude<JobState['phase'], 'none'>, schedulerV1.JobState>> = {
  disabled: schedulerV1.JobState.DISABLED,
  enabled: schedulerV1.JobState.ENABLED,
  done: schedulerV1.JobState.DONE,
};

function startToWire({ start }: JobDefinition): schedulerV1.StartCondition {
  switch (start.kind) {
    case 'immediate':
      return { condition: { $case: 'immediate', value: {} } };
    case 'time':
      return { condition: { $case: 'time', value: { localTime: start.localTime } } };
    case 'series':
      return { condition: { $case: 'series', value: { cron: start.cron } } };
  }
}

export function etagOf(version: number): string {
  return String(version);
}

export function jobToWire(
  { installation, job, state, createdAt }: JobDocument,
  version: number,
): schedulerV1.Job | undefined {
  if (state.phase === 'none') return undefined;
  const { definition: d, revision } = state;
  return {
    name: formatName('job', { installation, job }),
    title: d.title,
    type: jobType.toWire(d.type),
    start: startToWire(d),
    version: d.version,
    serviceHost: d.serviceHost,
    maxRunTime: msToDuration(d.maxRunTimeMs),
    followUpJob: d.followUpJob,
    remarks: d.remarks,
    reactionTime: d.reactionTimeMs === undefined ? undefined : msToDuration(d.reactionTimeMs),
    message: d.message,
    backupMode: backupMode.toWire(d.backupMode),
    state: JOB_STATES[state.phase],
    nextDueTime: state.phase === 'enabled' ? atToDate(state.dueAt) : undefined,
    etag: etagOf(version),
    createTime: atToDate(createdAt),
    runIfLateWithin: msToDuration(d.runIfLateWithinMs),
    revision,
    holdsAllowed: d.holdsAllowed,
    disabledReason: (state.phase === 'disabled' && state.because) || '',
    downgrade: d.downgrade && { ...d.downgrade },
  };
}

/** `withTimeline` is false in lists. */
export function runToWire(
  { installation, job, state }: RunDocument,
  withTimeline: boolean,
): schedulerV1.Run | undefined {
  if (state.phase === 'none') return undefined;
  const { spec, ending, timeline, cancelRequested, alarm } = state;
  const ended = state.phase === 'ended';
  return {
    name: formatName('run', { installation, run: spec.run }),
    job,
    spec: runSpecToWire(spec),
    phase: state.phase,
    outcome: ended && ending ? runOutcome.toWire(ending.outcome) : 0,
    failure: ending?.failure && failureToWire(ending.failure),
    timeline: withTimeline ? timeline.map(({ at, ...entry }) => ({ ...entry, time: atToDate(at) })) : [],
    finishTime: ended ? atToDate(state.finishedAt) : undefined,
    cancelRequested,
    alarm,
  };
}

/** The parts of a report that the scheduler knows itself. */
export function reportToWire(document: RunDocument): Omit<schedulerV1.RunReport, 'preflight'> | undefined {
  const { state, confirmedCautions, confirmations = [] } = document;
  if (state.phase === 'none') return undefined;
  const { spec, findings } = state;
  const before = Object.fromEntries(spec.hosts.map((h) => [h.host, spec.fromVersion]));
  const { gateClosedAt, gateReopenedAt, backup } = findings;
  return {
    run: runToWire(document, true),
    drain: findings.drain && eventsV1.DrainSummary.fromPartial(findings.drain),
    backup: backup && backupToWire(backup, document),
    versionsBefore: before,
    versionsAfter: { ...before, ...findings.versionsAfter },
    gateShut:
      gateClosedAt === undefined || gateReopenedAt === undefined
        ? undefined
        : msToDuration(gateReopenedAt - gateClosedAt),
    absentHosts: [...findings.absentHosts],
    confirmedCautions: [...confirmedCautions],
    confirmations: confirmations.map(confirmationToWire),
  };
}

type TakenBackup = NonNullable<Extract<RunState, { spec: unknown }>['findings']['backup']>;

function backupToWire(backup: TakenBackup, { installation, state }: RunDocument): schedulerV1.RunReport['backup'] {
  const { restorePoint, host, version, takenAt, sizeBytes, sha256 } = backup;
  return {
    name: restorePoint === '' ? '' : formatName('backup', { installation, restore_point: restorePoint }),
    restorePoint,
    host,
    run: state.phase === 'none' ? '' : state.spec.run,
    product: state.phase === 'none' ? '' : state.spec.product,
    version,
    takenAt: takenAt > 0 ? atToDate(takenAt) : undefined,
    sizeBytes: BigInt(sizeBytes),
    sha256,
    verified: true,
    failure: undefined,
    pending: false,
  };
}

const FATES: Readonly<Record<FiringDocument['fate'], schedulerV1.FiringFate>> = {
  pending: schedulerV1.FiringFate.UNSPECIFIED,
  fired: schedulerV1.FiringFate.FIRED,
  skipped: schedulerV1.FiringFate.SKIPPED,
  missed: schedulerV1.FiringFate.MISSED,
};

export function firingToWire({ job, nominalAt, fate, run, reason }: FiringDocument): schedulerV1.Firing {
  return { job, nominalTime: atToDate(nominalAt), fate: FATES[fate], run, reason };
}
