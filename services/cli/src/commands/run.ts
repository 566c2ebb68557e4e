import { schedulerV1 } from '@lastcall/contracts';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { reportText } from '../render/run-report.js';
import { table } from '../render/text.js';
import { timeIn } from '../render/time.js';
import { lastPart, outcomeWord } from '../render/words.js';
import { namedOrNewest, runToWatch } from '../watch/find-run.js';
import { runSubject, runTitle } from '../watch/run-text.js';
import { watchRun } from '../watch/watch-run.js';
import type { Work } from '../work.js';
import { report, type ReportOptions } from './run-report.js';

export function addRun(cli: Cli): void {
  const noun = cli.noun('run', 'Executions of jobs');
  cli.define<{ job?: string }>(
    noun,
    {
      use: 'list',
      does: 'Lists runs, newest first',
      example: 'lastcall run list --job nightly',
      installation: true,
      options: (command) => command.option('--job <job>', 'only runs of this job'),
    },
    list,
  );
  cli.define(
    noun,
    {
      use: 'show [run]',
      does: 'Shows a run and what happened in it; without a name the newest',
      example: 'lastcall run show',
      installation: true,
    },
    show,
  );
  cli.define<{ job?: string }>(
    noun,
    {
      use: 'watch [run]',
      does: 'Watches a run to its end; exit code 0 only when it succeeded. Without a name: the active one, else the next',
      example: 'lastcall run watch --job update-11-1',
      installation: true,
      options: (command) => command.option('--job <job>', 'a run of this job; waited for when it is not due yet'),
    },
    async (work, { job }, id?: string) =>
      watchRun(work, await runToWatch(work, id, job), (await work.installation()).timeZone),
  );
  cli.define<{ reason: string }>(
    noun,
    {
      use: 'cancel [run]',
      does: 'Asks for the end of a run; possible until its install has begun',
      example: 'lastcall run cancel --reason "The trade fair opens an hour earlier."',
      installation: true,
      options: (command) => command.requiredOption('--reason <text>', 'why, for users and the record'),
    },
    cancel,
  );
  cli.define<ReportOptions>(
    noun,
    {
      use: 'report [run]',
      does: 'Shows what a run did and what became of each user; without a name the newest',
      example: 'lastcall run report --html > report.html',
      installation: true,
      options: (command) =>
        command
          .option('--users', 'list everybody who was told, not only the first 50')
          .option('--html', 'as one page, to be kept or printed')
          .option('--all', 'with -o json: the reports of all runs, oldest first, one line each')
          .option('--from <date>', 'with --all: only runs that started on this day or later, YYYY-MM-DD')
          .option('--to <date>', 'with --all: only runs that started on this day or earlier'),
    },
    report,
  );
}

async function list(work: Work, { job = '' }: { job?: string }): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const runs = await allPages(async (pageToken) => {
    const page = await work.services.scheduler.listRuns({ parent, pageSize: 1_000, pageToken, job });
    return { items: page.runs, next: page.nextPageToken };
  });
  work.print(schedulerV1.ListRunsResponse.toJSON({ runs, nextPageToken: '' }), () =>
    table(
      ['run', 'job', 'outcome', 'what', `started (${timeZone})`, 'ended'],
      runs.map((r) => [
        lastPart(r.name),
        r.job,
        outcomeWord(r.outcome) || `(${r.phase})`,
        runSubject(r),
        timeIn(r.spec?.startedAt, timeZone),
        timeIn(r.finishTime, timeZone),
      ]),
      'no runs',
    ),
  );
}

async function show(work: Work, _: object, id?: string): Promise<void> {
  const { run } = await work.services.scheduler.getRun({ name: await namedOrNewest(work, id) });
  const { timeZone } = await work.installation();
  if (!run) return;
  const asReport = schedulerV1.RunReport.fromPartial({ run });
  work.print(schedulerV1.Run.toJSON(run), () => reportText(asReport, timeZone));
}

async function cancel(work: Work, { reason }: { reason: string }, id?: string): Promise<void> {
  const { run } = await work.services.scheduler.cancelRun({ name: await namedOrNewest(work, id), reason });
  if (run)
    work.print(
      schedulerV1.Run.toJSON(run),
      () => `asked to cancel ${runTitle(run)}; "run watch" shows whether it could be\n`,
    );
}
