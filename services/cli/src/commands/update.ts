import { commonV1, formatName, schedulerV1 } from '@lastcall/contracts';
import { CallError, checkUpdate, CODE } from '@lastcall/sdk';
import { confirmOr } from '../ask.js';
import { askUpdateJob, proposeJobId } from '../ask-update-job.js';
import { withCautions } from '../cautions.js';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { givenFields, jobOptions, type JobOptions } from '../job-options.js';
import { choice } from '../option-values.js';
import { checkSeat, seatFolder, updateSeat, type When } from '../seat/update-seat.js';
import { runOfDueJob } from '../watch/find-run.js';
import { noteOutlook } from '../render/outlook.js';
import { fields, oneLine } from '../render/text.js';
import { lastPart } from '../render/words.js';
import { watchRun } from '../watch/watch-run.js';
import type { Work } from '../work.js';
import { jobText } from './job-text.js';

export interface UpdateNowOptions extends JobOptions {
  readonly job?: string;
  readonly yes?: boolean;
  readonly watch?: boolean;
  readonly seat?: string;
  readonly skipBackup?: string;
  readonly restart?: When;
}

export function addUpdate(cli: Cli): void {
  const noun = cli.noun('update', 'Newer versions');
  cli.define<{ seat?: string }>(
    noun,
    {
      use: 'check',
      does: 'Says whether there is something newer, and why not',
      example: 'lastcall update check',
      installation: true,
      options: (command) => command.option(...SEAT),
    },
    check,
  );
  cli.define<UpdateNowOptions>(
    noun,
    {
      use: 'now',
      does: 'Updates: the computer that you sit at (--seat) at once; an installation by a job, asking for what is not given',
      example: 'lastcall update now --in 30s --message "Version 11.1 comes. Please save your work."',
      installation: true,
      options: (command) =>
        jobOptions(command)
          .option('--job <id>', 'name of the job (default: a new one)')
          .option('-y, --yes', 'do not ask before it begins')
          .option('--watch', 'watch the run, also when it has to be waited for')
          .option('--no-watch', 'do not watch the run')
          .option(...SEAT)
          .option('--skip-backup <reason>', 'on such a seat: take no backup, for this reason; it is recorded')
          .addOption(choice('--restart <when>', 'on such a seat, when it is ready', ['now', 'next-start', 'later'])),
    },
    now,
  );
}

const SEAT: [string, string] = [
  '--seat <folder>',
  'data folder of the agent on this computer: a seat without a server, or a host that catches up (default: LASTCALL_SEAT)',
];

async function check(work: Work, options: { seat?: string }): Promise<void> {
  const folder = seatFolder(work, options.seat);
  if (folder !== undefined) return checkSeat(work, folder);
  const installation = lastPart((await work.installation()).name);
  const found = await checkUpdate(work.services.channel, installation);
  work.print(found, () =>
    fields([
      ['Installed', found.installedVersion || 'not known yet'],
      ['Newer', found.release ? `${found.release.version} ${found.release.title}` : 'none'],
      ['Way', found.path.length > 1 ? [found.installedVersion, ...found.path].join(' → ') : ''],
      ['Reason', found.reason],
      ['Notes', found.release?.notes],
    ]),
  );
}

async function now(work: Work, options: UpdateNowOptions): Promise<number | void> {
  const folder = seatFolder(work, options.seat);
  if (folder !== undefined) return updateSeat(work, folder, options);
  if (options.skipBackup !== undefined || options.restart) {
    throw new UsageError('--skip-backup and --restart are for a seat without a server (--seat); here use --backup');
  }
  const installation = await work.installation();
  const found = await checkUpdate(work.services.channel, lastPart(installation.name));
  const version =
    options.version === undefined ? found.release?.version : await firstStep(work, options.version, options);
  if (version === undefined) {
    return work.print(found, () => `Nothing to update: ${found.reason || 'nothing is newer'}\n`);
  }
  if (options.version === undefined && found.path.length > 1)
    work.note(`Note: ${version} is the first step. ${found.reason}`);
  const isSingle = installation.kind === commonV1.InstallationKind.SINGLE_USER;
  if (isSingle) await confirmRestart(work, options, version, found.installedVersion);
  const given = givenFields(
    isSingle && !options.at && !options.in && !options.every ? { ...options, now: true } : options,
    installation.timeZone,
  );
  const asks = !isSingle && work.io.isTerminal && !work.json && !options.yes;
  if (!asks && !given.start) throw new UsageError('says no time: give --at, --in, --every or --now');
  const proposal = schedulerV1.Job.fromPartial({
    title: `Update to ${version}`,
    ...given,
    version,
    type: commonV1.JobType.SOFTWARE_UPDATE,
  });
  const wanted = asks
    ? await askUpdateJob(work, installation, proposal, options)
    : { id: options.job ?? (await proposeJobId(work, installation, version)), job: proposal };
  return begin(work, wanted.id, wanted.job, options);
}

/** A version that takes several steps: on a terminal the first of them is proposed, elsewhere the scheduler refuses with the way. */
async function firstStep(work: Work, version: string, { yes }: UpdateNowOptions): Promise<string> {
  if (!work.io.isTerminal || work.json || yes) return version;
  const { name } = await work.installation();
  const { path, reason } = await work.services.catalog.checkUpdate({ name, version });
  const [first] = path;
  if (first === undefined || path.length < 2) return version;
  work.note(oneLine(reason));
  if (!(await confirmOr(work, `Update to ${first} first?`, '--version')))
    throw new UsageError('not confirmed; nothing was changed');
  return first;
}

/** One seat: the application is stopped and started again, so whoever sits there is asked. */
async function confirmRestart(work: Work, options: UpdateNowOptions, version: string, from: string): Promise<void> {
  if (options.yes) return;
  const question = `Back up, download ${version} and restart the application (now ${from || 'unknown'})?`;
  if (!(await confirmOr(work, question, '--yes'))) throw new UsageError('not confirmed; nothing was changed');
}

/** What is known of the time, before anything is saved or has to be confirmed. What is wrong with the job is told by who saves it. */
async function adviseOn(work: Work, job: schedulerV1.Job, parent: string): Promise<void> {
  try {
    const { outlook, advice } = await work.services.scheduler.adviseJob({ parent, job });
    noteOutlook(work, outlook, advice.length > 0);
  } catch (error) {
    if (!(error instanceof CallError) || error.code !== CODE.invalidArgument) throw error;
  }
}

export async function begin(
  work: Work,
  jobId: string,
  job: schedulerV1.Job,
  options: Pick<UpdateNowOptions, 'confirm' | 'watch'>,
): Promise<number | void> {
  const { name: parent, timeZone } = await work.installation();
  const { scheduler } = work.services;
  const name = formatName('job', { installation: lastPart(parent), job: jobId });
  let confirmed = [...(options.confirm ?? [])];
  await adviseOn(work, { ...job, name }, parent);
  const saved = await withCautions(work, confirmed, (confirmedCautions) => {
    confirmed = confirmedCautions;
    return scheduler.createJob({ parent, jobId, job, confirmedCautions });
  });
  saved.notes.forEach((note) => work.note(`Note: ${note}`));
  if (job.start?.condition?.$case === 'immediate') {
    const started = await withCautions(work, confirmed, (confirmedCautions) =>
      scheduler.startJob({ name, confirmedCautions, requestId: jobId }),
    );
    if (options.watch === false) {
      return work.print(schedulerV1.StartJobResponse.toJSON(started), () => `${lastPart(started.run)}\n`);
    }
    return watchRun(work, started.run, timeZone);
  }
  const enabled = await withCautions(work, confirmed, (confirmedCautions) =>
    scheduler.enableJob({ name, etag: '', confirmedCautions }),
  );
  const stored = enabled.job ?? job;
  const waits = stored.state === schedulerV1.JobState.WAITING_FOR_APPROVAL;
  if (!options.watch || waits) return work.print(schedulerV1.Job.toJSON(stored), () => jobText(stored, timeZone));
  return watchRun(work, await runOfDueJob(work, stored), timeZone);
}
