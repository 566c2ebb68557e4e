import { EXIT, formatName, preflightV1 } from '@lastcall/contracts';
import type { Cli } from '../define.js';
import { poll } from '../poll.js';
import { createProgress } from '../render/progress.js';
import { fields, oneLine, table } from '../render/text.js';
import { time } from '../render/time.js';
import { lastPart, verdictWord } from '../render/words.js';
import type { Work } from '../work.js';

const TIMEOUT_MS = 5 * 60_000;

export function addPreflight(cli: Cli): void {
  const noun = cli.noun('preflight', 'Whether an installation is ready for an update');
  cli.define<{ for?: string }>(
    noun,
    {
      use: 'check',
      does: 'Asks the hosts now, evaluates every check and shows the report',
      example: 'lastcall preflight check --for 11.1.0',
      installation: true,
      options: (command) =>
        command.option('--for <version>', 'release to check for (default: the newest that may be taken)'),
    },
    (work, options) => check(work, options.for ?? ''),
  );
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

async function check(work: Work, version: string): Promise<number> {
  const { name: parent } = await work.installation();
  createProgress(work).say('asking the hosts');
  const { report } = await work.services.preflight.createReport({ parent, version });
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
  const rows = report.checks.map((c) => [verdictWord(c.verdict), c.check, c.host, c.asked, c.found]);
  const remedies = report.checks
    .filter((c) => c.remedy !== '')
    .map((c) => `  ${c.check}${c.host ? ` on ${c.host}` : ''}: ${oneLine(c.remedy)}\n`);
  return [
    fields([
      ['Report', lastPart(report.name)],
      ['For', [report.product, report.version].filter(Boolean).join(' ')],
      ['Verdict', verdictWord(report.verdict)],
      ['Finished', time(report.finishTime, zone)],
    ]),
    '\n',
    table(['verdict', 'check', 'host', 'asked', 'found'], rows, 'no checks'),
    ...(remedies.length > 0 ? ['\nWhat to do:\n', ...remedies] : []),
  ].join('');
}
