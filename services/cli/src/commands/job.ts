import { schedulerV1 } from '@lastcall/contracts';
import type { JobType } from '@lastcall/kernel';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { withCautions } from '../cautions.js';
import { UsageError } from '../failures.js';
import { givenFields, jobOptions, labelsOption, type JobOptions } from '../job-options.js';
import { choice, repeatable } from '../option-values.js';
import { noteOutlook } from '../render/outlook.js';
import { dryRun } from './job-dry-run.js';
import { addJobApprovals } from './job-approvals.js';
import { addJobPauses, pauseLine } from './job-pauses.js';
import { addSuggestTime } from './job-suggest-time.js';
import { jobNameOf, printJob, subjectWord } from './job-text.js';
import { oneLine, table } from '../render/text.js';
import { timeIn } from '../render/time.js';
import { jobStateWord, jobTypeWord, lastPart } from '../render/words.js';
import type { Work } from '../work.js';

const JOB_TYPES: JobType[] = ['software-update', 'data-backup', 'maintenance-window', 'run-command'];

export function addJob(cli: Cli): void {
  const noun = cli.noun('job', 'What is to happen, and when');
  addEditing(cli, noun);
  addSuggestTime(cli, noun);
  cli.define<{ label?: string[] }>(
    noun,
    {
      use: 'list',
      does: 'Lists jobs',
      example: 'lastcall job list --label ticket=chg-4711',
      installation: true,
      options: (command) =>
        command.addOption(repeatable('--label <key=value>', 'only jobs that have it; several times')),
    },
    list,
  );
  cli.define(
    noun,
    {
      use: 'show <job>',
      does: 'Shows one job and what would stop it',
      example: 'lastcall job show nightly',
      installation: true,
    },
    show,
  );
  cli.define<{ confirm?: string[] }>(
    noun,
    {
      use: 'enable <job>',
      does: 'Lets a job fire when it is due',
      example: 'lastcall job enable update-11-1',
      installation: true,
      options: (command) =>
        command.addOption(repeatable('--confirm <caution>', 'a caution that you accept; several times')),
    },
    enable,
  );
  cli.define(
    noun,
    {
      use: 'disable <job>',
      does: 'Keeps a job from firing; a run that has begun goes on',
      example: 'lastcall job disable nightly',
      installation: true,
    },
    disable,
  );
  cli.define(
    noun,
    {
      use: 'delete <job>',
      does: 'Deletes a job; its runs stay',
      example: 'lastcall job delete nightly',
      installation: true,
    },
    remove,
  );
  cli.define<{ undo?: boolean }>(
    noun,
    {
      use: 'skip-next <job>',
      does: 'Passes over the next time of a job, with a record of who said so',
      example: 'lastcall job skip-next nightly',
      installation: true,
      options: (command) => command.option('--undo', 'let it run after all'),
    },
    skipNext,
  );
  addJobApprovals(cli, noun);
  addJobPauses(cli, noun);
  cli.define<StartOptions>(
    noun,
    {
      use: 'start <job>',
      does: 'Starts a run of the job now, whatever its start condition',
      example: 'lastcall job start nightly',
      installation: true,
      options: (command) =>
        command
          .addOption(repeatable('--confirm <caution>', 'a caution that you accept; several times'))
          .option('--request-id <id>', 'makes a repeat of this command harmless')
          .option('--dry-run', 'start nothing; show what a run would meet, with a new report of preflight'),
    },
    start,
  );
}

function addEditing(cli: Cli, noun: ReturnType<Cli['noun']>): void {
  cli.define<JobOptions & { enable?: boolean }>(
    noun,
    {
      use: 'create <job>',
      does: 'Saves a job, disabled; "job enable" lets it fire',
      example:
        'lastcall job create night-work --type maintenance-window --at 2026-12-24T22:00 --closed-for 2h --message "New disks."',
      installation: true,
      options: (command) =>
        jobOptions(command)
          .addOption(choice('--type <type>', 'what it does', JOB_TYPES).default('software-update'))
          .option('--enable', 'enable it at once'),
    },
    create,
  );
  cli.define<JobOptions>(
    noun,
    {
      use: 'copy <job> <new>',
      does: 'Saves a copy of a job under another name, disabled, with what is given changed',
      example: 'lastcall job copy update-11-1 update-11-2 --version 11.2.0 --at 2027-01-24T22:00',
      installation: true,
      options: (command) => void jobOptions(command),
    },
    copy,
  );
  cli.define<JobOptions>(
    noun,
    {
      use: 'edit <job>',
      does: 'Changes a job; it is disabled afterwards when what it does or when was changed',
      example: 'lastcall job edit update-11-1 --at 2026-12-27T22:00',
      installation: true,
      options: (command) => void jobOptions(command),
    },
    edit,
  );
}

async function create(work: Work, options: JobOptions & { enable?: boolean }, id: string): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const given = givenFields(options, timeZone);
  if (!given.start) throw new UsageError('says no time: give --at, --in, --every, --when-idle or --now');
  const job = schedulerV1.Job.fromPartial({ title: id, ...given });
  const confirm = options.confirm ?? [];
  const saved = await withCautions(work, confirm, (confirmedCautions) =>
    work.services.scheduler.createJob({ parent, jobId: id, job, confirmedCautions }),
  );
  noteOutlook(work, saved.outlook, saved.advice.length > 0);
  if (!options.enable) return printJob(work, saved.job, saved.notes);
  const confirmed = [...confirm, ...saved.advice.map((a) => a.caution)];
  await printJob(work, await enabled(work, saved.job?.name ?? '', confirmed), saved.notes);
}

async function copy(work: Work, options: JobOptions, from: string, id: string): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const { job: original } = await work.services.scheduler.getJob({ name: await jobNameOf(work, from) });
  const given = givenFields(options, timeZone);
  const job = schedulerV1.Job.fromPartial({ ...original, ...given, name: '', etag: '' });
  const saved = await withCautions(work, options.confirm ?? [], (confirmedCautions) =>
    work.services.scheduler.createJob({ parent, jobId: id, job, confirmedCautions }),
  );
  await printJob(work, saved.job, saved.notes);
}

async function edit(work: Work, options: JobOptions, id: string): Promise<void> {
  const given = givenFields(options, (await work.installation()).timeZone);
  const updateMask = Object.keys(given).map((field) => field.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`));
  if (updateMask.length === 0) throw new UsageError('names nothing to change');
  const { job: current } = await work.services.scheduler.getJob({ name: await jobNameOf(work, id) });
  const job = schedulerV1.Job.fromPartial({ ...current, ...given });
  const saved = await withCautions(work, options.confirm ?? [], (confirmedCautions) =>
    work.services.scheduler.updateJob({ job, updateMask, confirmedCautions }),
  );
  if (given.start) noteOutlook(work, saved.outlook, saved.advice.length > 0);
  await printJob(work, saved.job, saved.notes);
}

async function list(work: Work, { label = [] }: { label?: string[] }): Promise<void> {
  const wanted = Object.entries(labelsOption(label));
  const { name: parent, timeZone } = await work.installation();
  let pause: schedulerV1.Pause | undefined;
  const jobs = await allPages(async (pageToken) => {
    const page = await work.services.scheduler.listJobs({ parent, pageSize: 1_000, pageToken });
    ({ pause } = page);
    const items = page.jobs.filter(({ labels }) => wanted.every(([key, value]) => labels[key] === value));
    return { items, next: page.nextPageToken };
  });
  if (pause) work.note(pauseLine(pause, timeZone));
  work.print(schedulerV1.ListJobsResponse.toJSON({ jobs, nextPageToken: '', pause }), () =>
    table(
      ['job', 'type', 'state', `next (${timeZone})`, 'version or command', 'title', 'why'],
      jobs.map((j) => [
        lastPart(j.name),
        jobTypeWord(j.type),
        jobStateWord(j.state),
        timeIn(j.nextDueTime, timeZone),
        subjectWord(j, 'newest'),
        j.title,
        j.disabledReason || (j.skipped ? `next time skipped by ${j.skipped.by}` : ''),
      ]),
      'no jobs',
    ),
  );
}

async function show(work: Work, _: object, id: string): Promise<void> {
  const { job, explanation } = await work.services.scheduler.getJob({ name: await jobNameOf(work, id) });
  if (explanation !== '') work.note(oneLine(explanation));
  await printJob(work, job);
}

async function enabled(work: Work, name: string, confirm: readonly string[]): Promise<schedulerV1.Job | undefined> {
  const { job } = await withCautions(work, confirm, (confirmedCautions) =>
    work.services.scheduler.enableJob({ name, etag: '', confirmedCautions }),
  );
  return job;
}

async function enable(work: Work, { confirm = [] }: { confirm?: string[] }, id: string): Promise<void> {
  await printJob(work, await enabled(work, await jobNameOf(work, id), confirm));
}

async function disable(work: Work, _: object, id: string): Promise<void> {
  await printJob(work, (await work.services.scheduler.disableJob({ name: await jobNameOf(work, id) })).job);
}

async function skipNext(work: Work, { undo = false }: { undo?: boolean }, id: string): Promise<void> {
  const { job } = await work.services.scheduler.skipNext({ name: await jobNameOf(work, id), undo, etag: '' });
  await printJob(work, job);
}

async function remove(work: Work, _: object, id: string): Promise<void> {
  const name = await jobNameOf(work, id);
  await work.services.scheduler.deleteJob({ name, etag: '' });
  work.print({}, () => `deleted ${lastPart(name)}\n`);
}

interface StartOptions {
  readonly confirm?: string[];
  readonly requestId?: string;
  readonly dryRun?: boolean;
}

async function start(work: Work, options: StartOptions, id: string): Promise<number | void> {
  const { confirm = [], requestId = '' } = options;
  const name = await jobNameOf(work, id);
  if (options.dryRun) return dryRun(work, name);
  const answer = await withCautions(work, confirm, (confirmedCautions) =>
    work.services.scheduler.startJob({ name, confirmedCautions, requestId }),
  );
  work.print(schedulerV1.StartJobResponse.toJSON(answer), () => `${lastPart(answer.run)}\n`);
}
