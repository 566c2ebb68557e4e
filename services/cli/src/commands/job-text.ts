import { commonV1, formatName, schedulerV1 } from '@lastcall/contracts';
import { fields, oneLine } from '../render/text.js';
import { spanOf, time } from '../render/time.js';
import { backupWord, jobStateWord, jobTypeWord, lastPart } from '../render/words.js';
import { fromCron } from '../series-words.js';
import type { Work } from '../work.js';

/* A job as it is named and shown. */

export async function jobNameOf(work: Work, job: string): Promise<string> {
  const installation = lastPart((await work.installation()).name);
  return formatName('job', { installation, job: lastPart(job) });
}

export async function printJob(
  work: Work,
  found: schedulerV1.Job | undefined,
  notes: readonly string[] = [],
): Promise<void> {
  const job = found ?? schedulerV1.Job.create();
  const { timeZone } = await work.installation();
  for (const note of notes) work.note(`Note: ${oneLine(note)}`);
  work.print(schedulerV1.Job.toJSON(job), () => jobText(job, timeZone));
}

function startText(start: schedulerV1.StartCondition | undefined): string {
  const condition = start?.condition;
  switch (condition?.$case) {
    case 'immediate':
      return 'immediately';
    case 'time':
      return condition.value.localTime.replace('T', ' ');
    case 'series':
      return `again and again: ${fromCron(condition.value.cron)}`;
    case 'whenIdle': {
      const { idleMinutes, windowOpens, windowCloses } = condition.value;
      const [opens, closes] = [windowOpens, windowCloses].map((local) => local.slice(0, 16).replace('T', ' '));
      return `when nobody has been logged in for ${idleMinutes} min, ${opens} to ${closes}`;
    }
    case undefined:
      return 'unknown';
  }
}

const { SOFTWARE_UPDATE, DATA_BACKUP, RUN_COMMAND } = commonV1.JobType;

/** What its run is about: a version, a command; empty for a job that has neither. */
export function subjectWord(job: schedulerV1.Job, newest: string): string {
  return job.command === '' ? versionWord(job, newest) : job.command;
}

function versionWord({ type, version }: schedulerV1.Job, newest: string): string {
  return type === SOFTWARE_UPDATE ? version || newest : '';
}

/** Rows that a job of its type has. */
function typeRows(job: schedulerV1.Job): [string, string | undefined][] {
  const reactionTime = spanOf(job.reactionTime) ?? "the installation's";
  return [
    ['Version', versionWord(job, 'the newest that may be taken')],
    ['Command', job.command],
    ['On', job.type === RUN_COMMAND ? job.commandHosts.join(', ') || 'every host of its role' : ''],
    ['Closed for', spanOf(job.closedFor)],
    [
      'Goes back',
      job.downgrade && (job.downgrade.dataFrom === '' ? 'the data stays' : `data from ${job.downgrade.dataFrom}`),
    ],
    ['Backup', job.type === SOFTWARE_UPDATE ? backupWord(job.backupMode) : ''],
    ['Keeps', job.backupKeep > 0 ? `its newest ${job.backupKeep} restore points` : ''],
    ['Reaction time', [DATA_BACKUP, RUN_COMMAND].includes(job.type) ? '' : reactionTime],
  ];
}

function labelsText(labels: schedulerV1.Job['labels']): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}

export function jobText(job: schedulerV1.Job, zone: string): string {
  return fields([
    ['Job', lastPart(job.name)],
    ['Title', job.title],
    ['State', jobStateWord(job.state)],
    ['Why', job.disabledReason],
    ['Approval', job.approval && approvalText(job.approval, zone)],
    ['Does', jobTypeWord(job.type)],
    ['Start', `${startText(job.start)} (${zone})`],
    ['Next', time(job.nextDueTime, zone)],
    ['Skipped', job.skipped && `${time(job.skipped.dueTime, zone)} by ${job.skipped.by}`],
    ['Latest start', job.latestStart],
    ['Window ends', job.windowEnd],
    ...typeRows(job),
    ['Message', job.message],
    ['Service host', job.serviceHost],
    ['Max run time', spanOf(job.maxRunTime)],
    ['Retries', job.retries > 0 ? `${job.retries}, each ${spanOf(job.retryPause)} after the run before` : ''],
    ['Follow-up', job.followUpJob],
    ['Without', job.excludedHosts.join(', ')],
    ['Remarks', job.remarks],
    ['Labels', labelsText(job.labels)],
  ]);
}

function approvalText({ askedBy, askTime, approvedBy }: schedulerV1.Approval, zone: string): string {
  if (approvedBy !== '') return `by ${approvedBy}`;
  return `asked for by ${askedBy} at ${time(askTime, zone)}; another person has to agree`;
}
