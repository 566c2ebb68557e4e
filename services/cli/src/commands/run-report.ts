import { schedulerV1, sessionV1 } from '@lastcall/contracts';
import { CallError, CODE } from '@lastcall/sdk';
import { allPages } from '../connect.js';
import { UsageError } from '../failures.js';
import { attendanceText } from '../render/attendance.js';
import { reportPage } from '../render/report-page.js';
import { reportText } from '../render/run-report.js';
import { oneLine } from '../render/text.js';
import { localTime } from '../render/time.js';
import { lastPart } from '../render/words.js';
import { namedOrNewest } from '../watch/find-run.js';
import { isGated } from '../watch/run-text.js';
import type { Work } from '../work.js';

/* The report of a run: for people, for programs, as a page, and those of a period one after the other. */

export interface ReportOptions {
  readonly users?: boolean;
  readonly html?: boolean;
  readonly all?: boolean;
  readonly from?: string;
  readonly to?: string;
}

interface WholeReport {
  readonly report: schedulerV1.RunReport;
  readonly attendance: readonly sessionV1.Attendance[];
}

export async function report(work: Work, options: ReportOptions, id?: string): Promise<void> {
  checkOptions(work, options, id);
  if (options.all) return exportReports(work, options);
  const { timeZone } = await work.installation();
  const whole = await wholeReport(work, await namedOrNewest(work, id));
  if (options.html) {
    work.io.out.write(reportPage({ ...whole, zone: timeZone }));
    return;
  }
  work.print(toJson(whole), () =>
    [reportText(whole.report, timeZone), attendanceText(whole.attendance, timeZone, options.users ?? false)]
      .filter(Boolean)
      .join('\n'),
  );
}

function checkOptions(work: Work, { html, all, from, to }: ReportOptions, id: string | undefined): void {
  if (html && work.json) throw new UsageError('--html and -o json are two forms of one report; choose one');
  if (all && !work.json) throw new UsageError('--all is for programs: add -o json; a line is a report');
  if (all && id !== undefined) throw new UsageError('--all is about every run; leave the run out');
  if (!all && (from !== undefined || to !== undefined)) throw new UsageError('--from and --to belong to --all');
  for (const [option, day] of [
    ['--from', from],
    ['--to', to],
  ] as const) {
    if (day !== undefined && !isDay(day)) {
      throw new UsageError(`${option} is ${JSON.stringify(day)}; write a day such as 2026-11-24`);
    }
  }
}

function isDay(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
  return at !== undefined && !Number.isNaN(+at) && at.toISOString().startsWith(text);
}

async function exportReports(work: Work, { from = '', to = '9999-12-31' }: ReportOptions): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const runs = await allPages(async (pageToken) => {
    const page = await work.services.scheduler.listRuns({ parent, pageSize: 1_000, pageToken, job: '' });
    return { items: page.runs, next: page.nextPageToken };
  });
  for (const { name, spec } of runs.toReversed()) {
    const day = localTime(spec?.startedAt ?? new Date(0), timeZone).slice(0, 10);
    if (day < from || day > to) continue;
    const whole = await unlessGone(wholeReport(work, name));
    if (whole) work.io.out.write(`${work.compact(toJson(whole))}\n`);
  }
}

/** Undefined for a run that was removed meanwhile: it was kept for long enough. */
async function unlessGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CallError && error.code === CODE.notFound) return undefined;
    throw error;
  }
}

async function wholeReport(work: Work, name: string): Promise<WholeReport> {
  const answer = await work.services.scheduler.getRunReport({ name });
  const found = answer.report ?? schedulerV1.RunReport.create();
  return { report: found, attendance: await attendanceOf(work, found.run) };
}

function toJson({ report: found, attendance }: WholeReport): object {
  const asJson = attendance.map((a) => sessionV1.Attendance.toJSON(a));
  return { ...(schedulerV1.RunReport.toJSON(found) as object), attendance: asJson };
}

/** A report without it is better than none. */
async function attendanceOf(work: Work, run: schedulerV1.Run | undefined): Promise<readonly sessionV1.Attendance[]> {
  const { name: parent } = await work.installation();
  if (!run || !isGated(run)) return [];
  try {
    return await allPages(async (pageToken) => {
      const request = { parent, run: lastPart(run.name), pageSize: 1_000, pageToken };
      const page = await work.services.session.listAttendance(request);
      return { items: page.attendance, next: page.nextPageToken };
    });
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    work.io.err.write(`What became of the users cannot be read now: ${oneLine(error.message)}\n`);
    return [];
  }
}
