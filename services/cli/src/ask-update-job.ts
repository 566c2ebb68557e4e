import type { schedulerV1 } from '@lastcall/contracts';
import { backupMode, durationToMs, msToDuration, type catalogV1 } from '@lastcall/contracts';
import { checkId } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import { askChoice, askText } from './ask.js';
import type { JobOptions } from './job-options.js';
import { parseSpan, span } from './render/time.js';
import { lastPart } from './render/words.js';
import type { Work } from './work.js';

/* The fields of an update's job, asked one after the other on a terminal; what was given as an option is not asked. */

export async function askUpdateJob(
  work: Work,
  installation: catalogV1.Installation,
  proposal: schedulerV1.Job,
  given: JobOptions & { readonly job?: string },
): Promise<{ id: string; job: schedulerV1.Job }> {
  const freeId = await proposeJobId(work, installation, proposal.version);
  const id = given.job ?? (await askText('Name of the job', freeId, (value) => checkId('name', value)?.description));
  const title = given.title ?? (await askText('Title', proposal.title));
  const start = proposal.start ?? (await askStart(work, installation, proposal));
  const message = given.message ?? (await askText('Message to users (empty: the usual one)', ''));
  const defaultMs = durationToMs(installation.reactionTime) ?? 5 * 60_000;
  const reactionTime =
    proposal.reactionTime ?? msToDuration(await askSpan('Reaction time, from the message to the logoff', defaultMs));
  const backup = given.backup ?? (await askChoice('Backup', BACKUPS));
  const maxRunTime = proposal.maxRunTime ?? msToDuration(await askSpan('Longest run time', 2 * 3_600_000));
  const followUpJob = given.followUp ?? (await askText('Job to start when it fails (empty: none)', ''));
  const remarks = given.remarks ?? (await askText('Remarks', ''));
  const mode = backupMode.toWire(backup);
  const answers = { title, start, message, reactionTime, backupMode: mode, maxRunTime, followUpJob, remarks };
  return { id, job: { ...proposal, ...answers } };
}

const BACKUPS = [
  { value: 'take', name: 'Lastcall takes one before it installs' },
  { value: 'made-elsewhere', name: 'I have made one; refuse when it is too old' },
] as const;

async function askSpan(message: string, proposalMs: number): Promise<number> {
  const proposal = span(proposalMs).replaceAll(' ', '');
  const check = (value: string) =>
    parseSpan(value) === undefined ? 'write a time span such as 5m or 1h30m' : undefined;
  return parseSpan(await askText(message, proposal, check)) ?? proposalMs;
}

/** Times outside business hours first, as the scheduler proposes them. */
async function askStart(
  work: Work,
  { name: parent, timeZone }: catalogV1.Installation,
  proposal: schedulerV1.Job,
): Promise<schedulerV1.StartCondition> {
  const job = { ...proposal, start: immediately };
  const { suggestedTimes, advice } = await work.services.scheduler.adviseJob({ parent, job });
  const cautions = advice.length === 0 ? '' : ` (${advice.map((a) => a.text).join(' ')})`;
  const choice = await askChoice('When', [
    ...suggestedTimes.map((t) => ({
      value: t.localTime,
      name: `${t.localTime.replace('T', ' ')} ${timeZone}: ${t.reason}`,
    })),
    { value: 'other', name: 'another time' },
    { value: 'now', name: `now${cautions}` },
  ]);
  if (choice === 'now') return immediately;
  const local =
    choice === 'other' ? await askText(`Date and time (${timeZone})`, suggestedTimes[0]?.localTime ?? '') : choice;
  return { condition: { $case: 'time', value: { localTime: local.trim().replace(' ', 'T') } } };
}

const immediately: schedulerV1.StartCondition = { condition: { $case: 'immediate', value: {} } };

/** `update-11-1-0`, with a number behind it when that is taken. */
export async function proposeJobId(
  work: Work,
  installation: catalogV1.Installation,
  version: string,
  what = 'update',
): Promise<string> {
  const base = `${what}-${version.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`.slice(0, 58).replace(/-$/, '');
  for (let n = 1; n < 1_000; n++) {
    const id = n === 1 ? base : `${base}-${n}`;
    if (!(await exists(work, `${installation.name}/jobs/${lastPart(id)}`))) return id;
  }
  return base;
}

async function exists(work: Work, name: string): Promise<boolean> {
  try {
    await work.services.scheduler.getJob({ name });
    return true;
  } catch (error) {
    if (error instanceof CallError && error.code === CODE.notFound) return false;
    throw error;
  }
}
