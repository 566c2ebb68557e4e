import type { EventMessage, schedulerV1 } from '@lastcall/contracts';
import { parseRunSpec, runOutcome } from '@lastcall/contracts';
import { cleanText, type RunOutcome, type RunSpec } from '@lastcall/kernel';
import type { FiringDocument } from '../documents.js';

/*
 * What somebody outside is told: one line, a sentence or two, and the facts for programs.
 */

export type NotificationKind =
  `run-${RunOutcome}` | 'firing-skipped' | 'firing-missed' | 'job-disabled' | 'rehearsal-failed' | 'test';

export const NOTIFICATION_KINDS: Readonly<Record<NotificationKind, keyof typeof schedulerV1.NotificationKind>> = {
  'run-succeeded': 'RUN_SUCCEEDED',
  'run-failed': 'RUN_FAILED',
  'run-rolled-back': 'RUN_ROLLED_BACK',
  'run-quarantined': 'RUN_QUARANTINED',
  'run-cancelled': 'RUN_CANCELLED',
  'run-expired': 'RUN_EXPIRED',
  'run-postponed': 'RUN_POSTPONED',
  'firing-skipped': 'FIRING_SKIPPED',
  'firing-missed': 'FIRING_MISSED',
  'job-disabled': 'JOB_DISABLED',
  'rehearsal-failed': 'REHEARSAL_FAILED',
  test: 'TEST',
};

export interface Notification {
  readonly kind: NotificationKind;
  readonly installation: string;
  /** What it is about, the same when the same thing is said again: a run, a firing. */
  readonly subject: string;
  /** One line, up to 200 characters. */
  readonly title: string;
  readonly text: string;
  readonly facts: Readonly<Record<string, string>>;
}

const TITLE_CHARS = 200;
const TEXT_CHARS = 4_000;
const CHECKS_NAMED = 20;

function notification(
  kind: NotificationKind,
  installation: string,
  subject: string,
  more: Pick<Notification, 'title' | 'text' | 'facts'>,
): Notification {
  const title = cleanText(more.title.replaceAll(/\s+/g, ' '), TITLE_CHARS);
  return { kind, installation, subject, title, text: cleanText(more.text, TEXT_CHARS), facts: more.facts };
}

const ENDS: Readonly<Record<RunOutcome, string>> = {
  succeeded: 'succeeded',
  failed: 'failed; the old version is running',
  'rolled-back': 'was rolled back; the old version is running',
  quarantined: 'NEEDS A PERSON: a host could not be brought back',
  cancelled: 'was cancelled; the old version is running',
  expired: 'was not done in time',
  postponed: 'was postponed by holds of users',
};

/** Where nothing was to change, nothing is said of versions. */
const MAINTENANCE_ENDS: Readonly<Partial<Record<RunOutcome, string>>> = {
  failed: 'failed; the gate is open',
  cancelled: 'was cancelled; the gate is open',
};

const COMMAND_ENDS: Readonly<Partial<Record<RunOutcome, string>>> = {
  failed: 'failed',
  cancelled: 'was cancelled; nothing was run',
  expired: 'was not done in time; nothing was run',
};

function workOf({ type, product, toVersion, command = '' }: RunSpec): string {
  if (type === 'run-command') return `Command ${command} of ${product}`;
  if (type === 'maintenance-window') return `Maintenance window of ${product}`;
  return toVersion === '' ? `Backup of ${product}` : `Update of ${product} to ${toVersion}`;
}

function endOf({ type }: RunSpec, outcome: RunOutcome): string {
  if (type === 'run-command') return COMMAND_ENDS[outcome] ?? ENDS[outcome];
  return (type === 'maintenance-window' && MAINTENANCE_ENDS[outcome]) || ENDS[outcome];
}

export function runNotification({ run, outcome, failure }: EventMessage<'RunFinished'>): Notification {
  const spec = parseRunSpec(run);
  const ended = runOutcome.fromWire(outcome) ?? 'failed';
  const { installation, product, fromVersion, toVersion, job, requestedBy } = spec;
  const why = failure ? `${failure.host === '' ? '' : `${failure.host}: `}${failure.message} [${failure.reason}]` : '';
  return notification(`run-${ended}`, installation, spec.run, {
    title: `${installation}: ${workOf(spec)} ${endOf(spec, ended)}`,
    text: `${why === '' ? 'Everything that was asked for is done.' : why}\nReport: lastcall run report ${spec.run} -i ${installation}`,
    facts: {
      ...{ run: spec.run, job, product, from_version: fromVersion, to_version: toVersion, outcome: ended },
      ...{
        requested_by: requestedBy,
        reason: failure?.reason ?? '',
        message: failure?.message ?? '',
        host: failure?.host ?? '',
      },
    },
  });
}

/** For a due time that led to no run. */
export function firingNotification(
  id: string,
  { installation, job, fate, reason, nominalAt, by }: FiringDocument,
): Notification {
  const kind = fate === 'missed' ? 'firing-missed' : 'firing-skipped';
  return notification(kind, installation, id, {
    title: `${installation}: job ${job} ${fate === 'missed' ? 'missed its time' : 'was not run'}`,
    text: `${reason}\nLook at it: lastcall job show ${job} -i ${installation}`,
    facts: { job, reason, due_time: new Date(nominalAt).toISOString(), requested_by: by },
  });
}

export function jobDisabledNotification(
  { installation, job, reason, owner }: { installation: string; job: string; reason: string; owner: string },
  cause: string,
): Notification {
  return notification('job-disabled', installation, `${job}/${cause}`, {
    title: `${installation}: job ${job} was disabled`,
    text: `${reason}\nChoose another version: lastcall job edit ${job} -i ${installation}`,
    facts: { job, reason, owner },
  });
}

/** With the remedy of each check that blocks. */
export function rehearsalNotification(message: EventMessage<'RehearsalFailed'>): Notification {
  const { installation, job, report, startTime, product, version, requestedBy, blocking } = message;
  const checks = blocking.map((c) => `- ${c.check}${c.host === '' ? '' : ` on ${c.host}`}: ${c.found}. ${c.remedy}`);
  return notification('rehearsal-failed', installation, report, {
    title: `${installation}: as things are, job ${job} would not go ahead`,
    text: [...checks.slice(0, CHECKS_NAMED), `Every check: lastcall preflight show ${report} -i ${installation}`].join(
      '\n',
    ),
    facts: {
      ...{ job, report, product, version, requested_by: requestedBy, blocking: String(blocking.length) },
      start_time: startTime?.toISOString() ?? '',
    },
  });
}

export function testNotification(installation: string, target: string, subject: string, by: string): Notification {
  return notification('test', installation, subject, {
    title: `${installation}: test of notification target ${target}`,
    text: `${by} asked whether it works. It does.`,
    facts: { target, requested_by: by },
  });
}
