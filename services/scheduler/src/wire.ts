import {
  atToDate,
  backupMode,
  failureToWire,
  formatName,
  jobType,
  msToDuration,
  runOutcome,
  runSpecToWire,
  schedulerV1,
} from '@lastcall/contracts';
import type { FiringDocument, JobDocument, Pause, RunDocument } from './documents.js';
import { RETRIES } from './retries.js';
import { approvalOf, skipOf, type JobDefinition, type JobState } from './domain/job.js';
import type { Waiting } from './domain/waiting-for.js';

/*
 * Documents to the wire.
 */

const JOB_STATES: Readonly<Record<Exclude<JobState['phase'], 'none'>, schedulerV1.JobState>> = {
  disabled: schedulerV1.JobState.DISABLED,
  enabled: schedulerV1.JobState.ENABLED,
  done: schedulerV1.JobState.DONE,
  waiting: schedulerV1.JobState.WAITING_FOR_APPROVAL,
};

function startToWire({ start }: JobDefinition): schedulerV1.StartCondition {
  switch (start.kind) {
    case 'immediate':
      return { condition: { $case: 'immediate', value: {} } };
    case 'time':
      return { condition: { $case: 'time', value: { localTime: start.localTime } } };
    case 'series':
      return { condition: { $case: 'series', value: { cron: start.cron } } };
    case 'when-idle': {
      const { idleMinutes, windowOpens, windowCloses } = start;
      return { condition: { $case: 'whenIdle', value: { idleMinutes, windowOpens, windowCloses } } };
    }
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
  const skip = skipOf(state);
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
    latestStart: d.latestStart ?? '',
    windowEnd: d.windowEnd ?? '',
    closedFor: d.closedForMs === undefined ? undefined : msToDuration(d.closedForMs),
    command: d.command ?? '',
    commandHosts: [...(d.commandHosts ?? [])],
    approval: approvalToWire(state),
    retries: d.retries ?? 0,
    retryPause: d.retries === undefined ? undefined : msToDuration(d.retryPauseMs ?? RETRIES.pauseMs),
    labels: { ...d.labels },
    excludedHosts: [...(d.excludedHosts ?? [])],
    backupKeep: d.backupKeep ?? 0,
    skipped: skip && { dueTime: atToDate(skip.at), by: skip.by },
  };
}

function approvalToWire(state: JobState): schedulerV1.Approval | undefined {
  if (state.phase === 'waiting') {
    return { askedBy: state.askedBy, askTime: atToDate(state.askedAt), approvedBy: '' };
  }
  const { approvedBy } = approvalOf(state);
  if (approvedBy === undefined) return undefined;
  return { askedBy: state.phase === 'enabled' ? state.enabledBy : '', askTime: undefined, approvedBy };
}

export function pauseToWire(pause: Pause | undefined): schedulerV1.Pause | undefined {
  if (!pause) return undefined;
  const { reason, by, since, endsAt } = pause;
  return { reason, by, createTime: atToDate(since), endTime: atToDate(endsAt) };
}

/** `withTimeline` is false in lists. */
export function runToWire(
  { installation, job, state }: RunDocument,
  withTimeline: boolean,
  waiting?: Waiting,
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
    waitingFor: waiting && waitingToWire(waiting),
  };
}

function waitingToWire({ text, hosts, dueAt, actions }: Waiting): schedulerV1.WaitingFor {
  return { text, hosts: [...hosts], dueTime: dueAt === undefined ? undefined : atToDate(dueAt), actions: [...actions] };
}

const FATES: Readonly<Record<FiringDocument['fate'], schedulerV1.FiringFate>> = {
  pending: schedulerV1.FiringFate.UNSPECIFIED,
  fired: schedulerV1.FiringFate.FIRED,
  skipped: schedulerV1.FiringFate.SKIPPED,
  missed: schedulerV1.FiringFate.MISSED,
};

export function firingToWire({ job, nominalAt, fate, run, reason, attempt = 0 }: FiringDocument): schedulerV1.Firing {
  return { job, nominalTime: atToDate(nominalAt), fate: FATES[fate], run, reason, attempt };
}
