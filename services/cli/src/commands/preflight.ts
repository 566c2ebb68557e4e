import { EXIT, formatName, preflightV1 } from '@lastcall/contracts';
import type { Cli } from '../define.js';
import { wholeOption } from '../option-values.js';
import { poll } from '../poll.js';
import { createProgress } from '../render/progress.js';
import { fields, oneLine, table } from '../render/text.js';
import { time, timeIn } from '../render/time.js';
import { lastPart, verdictWord } from '../render/words.js';
import type { Work } from '../work.js';
import { addPreflightOverrides } from './preflight-overrides.js';

const TIMEOUT_MS = 5 * 60_000;

export function addPreflight(cli: Cli): void {
  const noun = cli.noun('preflight', 'Whether an installation is ready for an update');
  cli.define<CheckOptions>(
    noun,
    {
      use: 'check',
      does: 'Asks the hosts now, evaluates every check and shows the report',
      example: 'lastcall preflight check --for 11.1.0',
      installation: true,
      options: (command) =>
        command
          .option('--for <version>', 'release to check for (default: the newest that may be taken)')
          .option('--job <job>', "rehearse this job's next run: its release, its backup, its overrides"),
    },
    check,
  );
  cli.define<{ limit?: string }>(
    noun,
    {
      use: 'list',
      does: 'Lists reports, newest first: of runs, of rehearsals and on demand',
      example: 'lastcall preflight list --limit 10',
      installation: true,
      options: (command) => command.option('--limit <count>', 'so many at most, 1 to 1000 (default: 20)'),
    },
    list,
  );
  addPreflightOverrides(cli, noun);
  cli.define(
    noun,
    {
      use: 'show [report]',
      does: 'Shows a report; without a name the newest',
      example: 'lastcall preflight show',
      installation: true,
    },
    show,
  );
}

interface CheckOptions {
  readonly for?: string;
  readonly job?: string;
}

async function check(work: Work, { for: version = '', job = '' }: CheckOptions): Promise<number> {
  const { name: parent } = await work.installation();
  createProgress(work).say('asking the hosts');
  const { report } = await work.services.preflight.createReport({ parent, version, job });
  return print(work, await finishedReport(work, report?.name ?? ''));
}

/** Waits until every host has answered, or cannot any more. */
export function finishedReport(work: Work, name: string): Promise<preflightV1.Report> {
  return poll(
    async () => (await work.services.preflight.getReport({ name })).report ?? preflightV1.Report.create(),
    ({ verdict }) => verdict !== preflightV1.Verdict.UNSPECIFIED,
    { timeoutMs: TIMEOUT_MS, what: name },
  );
}

async function list(work: Work, { limit }: { limit?: string }): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const pageSize = wholeOption('--limit', limit, 1, 1_000) ?? 20;
  const answer = await work.services.preflight.listReports({ parent, pageSize, pageToken: '' });
  work.print(preflightV1.ListReportsResponse.toJSON(answer), () =>
    table(
      ['report', 'verdict', 'of', 'for', `begun (${timeZone})`, 'blocks'],
      answer.reports.map((r) => [
        lastPart(r.name),
        reportWord(r),
        occasionOf(r),
        [r.product, r.version].filter(Boolean).join(' '),
        timeIn(r.createTime, timeZone),
        [...new Set(r.checks.filter(isBlocking).map((c) => c.check))].join(', '),
      ]),
      'no reports',
    ),
  );
}

function reportWord({ verdict, finishTime }: preflightV1.Report): string {
  return verdict === preflightV1.Verdict.UNSPECIFIED && finishTime ? 'abandoned' : verdictWord(verdict);
}

function occasionOf({ run, rehearsal, beforeBackup }: preflightV1.Report): string {
  if (rehearsal) return `rehearsal of ${rehearsal.job} (${rehearsal.why})`;
  return run === '' ? 'on demand' : `run ${run}${beforeBackup ? ', before its backup' : ''}`;
}

function isBlocking({ verdict, override }: preflightV1.Check): boolean {
  return (verdict === preflightV1.Verdict.FAILED || verdict === preflightV1.Verdict.UNKNOWN) && !override;
}

async function show(work: Work, _: object, id?: string): Promise<number> {
  const installation = await work.installation();
  const name = id
    ? formatName('report', { installation: lastPart(installation.name), report: lastPart(id) })
    : await newest(work, installation.name);
  const { report } = await work.services.preflight.getReport({ name });
  return print(work, report ?? preflightV1.Report.create());
}

async function newest(work: Work, parent: string): Promise<string> {
  const { reports } = await work.services.preflight.listReports({ parent, pageSize: 1, pageToken: '' });
  return reports[0]?.name ?? `${parent}/reports/none`;
}

async function print(work: Work, report: preflightV1.Report): Promise<number> {
  const zone = (await work.installation()).timeZone;
  work.print(preflightV1.Report.toJSON(report), () => reportText(report, zone));
  return report.verdict === preflightV1.Verdict.FAILED ? EXIT.failed : EXIT.done;
}

export function reportText(report: preflightV1.Report, zone: string): string {
  const word = (c: preflightV1.Check): string => `${verdictWord(c.verdict)}${c.override ? ', overridden' : ''}`;
  const rows = report.checks.map((c) => [word(c), c.check, c.host, c.asked, c.found]);
  const remedies = report.checks
    .filter((c) => c.remedy !== '')
    .map((c) => `  ${c.check}${c.host ? ` on ${c.host}` : ''}: ${oneLine(c.remedy)}\n`);
  const overridden = report.checks.flatMap(({ check, host, override }) =>
    override
      ? [
          `  ${check}${host ? ` on ${host}` : ''}: by ${oneLine(override.createdBy)} until ${time(override.expireTime, zone)}: ${oneLine(override.reason)}\n`,
        ]
      : [],
  );
  return [
    fields([
      ['Report', lastPart(report.name)],
      ['Of', oneLine(occasionOf(report))],
      ['Run begins', time(report.rehearsal?.startTime, zone)],
      ['For', [report.product, report.version].filter(Boolean).join(' ')],
      ['Verdict', reportWord(report)],
      ['Finished', time(report.finishTime, zone)],
    ]),
    '\n',
    table(['verdict', 'check', 'host', 'asked', 'found'], rows, 'no checks'),
    ...(overridden.length > 0 ? ['\nOverridden, so that they do not block:\n', ...overridden] : []),
    ...(remedies.length > 0 ? ['\nWhat to do:\n', ...remedies] : []),
  ].join('');
}
