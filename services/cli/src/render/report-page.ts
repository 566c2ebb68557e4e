import { preflightV1, type schedulerV1, type sessionV1, durationToMs } from '@lastcall/contracts';
import { runSubject } from '../watch/run-text.js';
import { html, type Html, type HtmlValue } from './html.js';
import { STYLE } from './report-page-style.js';
import {
  backupText,
  confirmedText,
  drainText,
  isCommand,
  overrideText,
  proofText,
  resultText,
  tookText,
  wayBackText,
} from './run-report.js';
import { bytes, count } from './text.js';
import { spanOf, timeIn } from './time.js';
import { departureWord, jobTypeWord, lastPart, outcomeWord, roleWord, verdictWord } from './words.js';

/*
 * The report of a run as one page: self-contained, without scripts, for a screen and for paper. The same report leads to the same
 * bytes.
 */

export interface ReportPage {
  readonly report: schedulerV1.RunReport;
  /** What became of each user; empty when nobody was inside or it may not be seen. */
  readonly attendance: readonly sessionV1.Attendance[];
  readonly zone: string;
}

export function reportPage(page: ReportPage): string {
  const { run } = page.report;
  const title = run ? runSubject(run).replace('->', '→') : 'run';
  const whole = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>Run report: ${title}</title>
        ${STYLE}
      </head>
      <body>
        <main>
          ${header(page, title)} ${figures(page.report)} ${facts(page)} ${usersSection(page)} ${checksSection(page)}
          ${backupSection(page)} ${isCommand(page.report) ? commandSection(page.report) : hostsSection(page)}
          ${durationsSection(page.report)} ${timelineSection(page)}
          <footer>
            <p>Times are those of ${page.zone}. Run ${run && lastPart(run.name)} of ${run?.spec?.installation}.</p>
          </footer>
        </main>
      </body>
    </html>`;
  return `${whole.text}\n`;
}

type Tone = 'good' | 'warn' | 'bad' | 'plain';

const TONES: Readonly<Record<string, Tone>> = {
  ...{ succeeded: 'good', passed: 'good', failed: 'bad', unknown: 'bad', quarantined: 'bad', 'rolled-back': 'bad' },
  ...{ cancelled: 'warn', expired: 'warn', postponed: 'warn', skipped: 'plain', pending: 'warn' },
};

function badge(word: string): Html {
  return html`<span class="badge ${TONES[word] ?? 'warn'}">${word}</span>`;
}

function header({ report: { run } }: ReportPage, title: string): Html {
  const outcome = (run && outcomeWord(run.outcome)) || 'still running';
  return html`<header>
    <p class="kind">Run report</p>
    <h1>${title}</h1>
    <p>${badge(outcome)}${run?.alarm && html` <strong class="badge bad">A person is needed</strong>`}</p>
    ${run && callout(run, outcome)}
  </header>`;
}

/** Why it ended as it did, or what it waits for. */
function callout({ failure, waitingFor }: schedulerV1.Run, outcome: string): Html | undefined {
  if (failure) {
    const where = failure.host === '' ? '' : ` on ${failure.host}`;
    return html`<div class="callout ${TONES[outcome] ?? 'bad'}" role="note">
      <p><strong>Why${where}:</strong> ${failure.message}</p>
      <p class="code">${failure.reason}</p>
    </div>`;
  }
  return waitingFor && html`<div class="callout warn" role="note"><p>${waitingFor.text}</p></div>`;
}

function figures({ run, drain, gateShut, took, estimate, preflight }: schedulerV1.RunReport): Html {
  const passed = preflight?.checks.filter(({ verdict }) => verdict === preflightV1.Verdict.PASSED).length ?? 0;
  const list: [HtmlValue, string][] = [
    [spanOf(took), estimate ? `taken, ${spanOf(estimate)} estimated` : 'taken'],
    [spanOf(gateShut), 'nobody could log in'],
    [drain && drain.told, drain ? `users told, ${drain.ended} logged off at the deadline` : ''],
    [preflight && `${passed} of ${preflight.checks.length}`, 'checks passed'],
    [run?.spec?.hosts.length || undefined, count(run?.spec?.hosts.length ?? 0, 'host').replace(/^\d+ /, '')],
  ];
  const there = list.filter(([value]) => value !== undefined);
  return html`<ul class="figures">
    ${there.map(([value, label]) => html`<li><b>${value}</b><span>${label}</span></li>`)}
  </ul>`;
}

type Row = readonly [label: string, value: HtmlValue];

function list(rows: readonly Row[]): Html {
  const there = rows.filter(([, value]) => value !== undefined && value !== '' && value !== false);
  return html`<dl>
    ${there.map(
      ([label, value]) =>
        html`<dt>${label}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

function facts({ report, zone }: ReportPage): Html {
  const { run } = report;
  const spec = run?.spec;
  return html`<div class="facts">
    ${list([
      ['Job', run?.job && `${run.job} (${spec ? jobTypeWord(spec.type) : ''})`],
      ['Requested by', spec?.requestedBy],
      ['Confirmed', confirmedText(report, zone)],
      ['Due', at(spec?.nominalTime, zone)],
      ['Started', at(spec?.startedAt, zone)],
      ['Ended', at(run?.finishTime, zone)],
      ['Ended by', run?.failure?.facts['by']],
      ['Took', tookText(report)],
      ['Message to users', spec?.message],
      ['Way back', report.wayBack && wayBackText(report.wayBack)],
      [isCommand(report) ? 'Left out' : 'Follow later', report.absentHosts.join(', ')],
    ])}
  </div>`;
}

function at(date: Date | undefined, zone: string): Html | undefined {
  return date && html`<time datetime="${date.toISOString()}">${timeIn(date, zone)}</time>`;
}

function section(heading: string, ...content: readonly HtmlValue[]): Html {
  return html`<section>
    <h2>${heading}</h2>
    ${content}
  </section>`;
}

function rows(headings: readonly string[], lines: readonly (readonly HtmlValue[])[]): Html {
  const head = headings.map((h) => html`<th scope="col">${h}</th>`);
  const body = lines.map(
    (line) =>
      html`<tr>
        ${line.map(cellOf)}
      </tr> `,
  );
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${head}
        </tr>
      </thead>
      <tbody>
        ${body}
      </tbody>
    </table>
  </div>`;
}

/** Columns of short words keep them whole; only a long text may be broken anywhere. */
const LONG = 24;

function cellOf(cell: HtmlValue): Html {
  const isLong = Array.isArray(cell) || (typeof cell === 'string' && cell.length > LONG);
  return isLong ? html`<td class="long">${cell}</td>` : html`<td>${cell}</td>`;
}

function usersSection({ report, attendance, zone }: ReportPage): Html | undefined {
  const { drain, shutHosts } = report;
  if (!drain && report.noticeTime === undefined) return undefined;
  const shut = Object.entries(shutHosts).toSorted(byFirst);
  const summary = list([
    ['Told', at(report.noticeTime, zone)],
    ['Logoff', at(report.logoffTime, zone)],
    ['Users', drain && drainText(drain)],
    ['Gate shut', at(report.gateClosedTime, zone)],
    ['Gate open again', at(report.gateReopenedTime, zone)],
    ['Shut for', spanOf(report.gateShut)],
    ['Stays shut', shut.map(([host, why]) => `${host}: ${why}`).join('\n')],
  ]);
  const names =
    attendance.length === 0
      ? drain?.told && html`<p>Their names cannot be shown.</p>`
      : attendanceTable(attendance, zone);
  return section('Users', summary, names || undefined);
}

function attendanceTable(attendance: readonly sessionV1.Attendance[], zone: string): Html {
  const sorted = attendance.toSorted((a, b) => compare(a.user, b.user) || compare(a.session, b.session));
  return rows(
    ['User', 'Name', 'Host', 'Told', 'Received', 'Read', 'Ready', 'Ended', 'How'],
    sorted.map((a) => [
      a.user,
      a.displayName,
      a.host,
      ...[a.sentTime, a.receivedTime, a.readTime, a.readyTime, a.endTime].map((date) => clockAt(date, zone)),
      departureWord(a.departure),
    ]),
  );
}

/** Time of day; the day stands in the facts. */
function clockAt(date: Date | undefined, zone: string): Html | undefined {
  return date && html`<time datetime="${date.toISOString()}">${timeIn(date, zone).slice(11)}</time>`;
}

function checksSection({ report: { preflight }, zone }: ReportPage): Html | undefined {
  if (!preflight) return undefined;
  const sorted = preflight.checks.toSorted(
    (a, b) => rank(a) - rank(b) || compare(a.check, b.check) || compare(a.host, b.host),
  );
  const lines = sorted.map((c) => [
    badge(verdictWord(c.verdict)),
    c.check,
    c.host,
    c.asked,
    foundOf(c, zone),
    clockAt(c.answeredAt, zone),
  ]);
  return section(
    'Checks before the start',
    html`<p>${count(preflight.checks.length, 'check')}: ${badge(verdictWord(preflight.verdict))}</p>`,
    rows(['Verdict', 'Check', 'Host', 'Asked', 'Found', 'At'], lines),
  );
}

/** What was found, and what a person has to do about it or has said of it. */
function foundOf(check: preflightV1.Check, zone: string): HtmlValue {
  const { found, remedy } = check;
  const overridden = overrideText(check, zone);
  if (overridden !== undefined) return [found, html`<br /><strong>Overridden:</strong> ${overridden}`];
  return [found, remedy !== '' && html`<br /><strong>To do:</strong> ${remedy}`];
}

/** What blocks comes first. */
function rank({ verdict }: preflightV1.Check): number {
  return { failed: 0, unknown: 1, pending: 2, skipped: 4 }[verdictWord(verdict)] ?? 3;
}

function backupSection({ report: { backup, run }, zone }: ReportPage): Html | undefined {
  if (!backup) return undefined;
  if (backup.restorePoint === '') return section('Backup', html`<p>${backupText(backup, zone)}</p>`);
  return section(
    'Backup',
    list([
      ['Restore point', html`<span class="code">${backup.restorePoint}</span>`],
      ['Host', backup.host],
      ['Data of version', backup.version],
      ['Taken', at(backup.takenAt, zone)],
      ['Proof', backup.verified ? proofText(backup, zone) : html`<strong>${proofText(backup, zone)}</strong>`],
      ['Encrypted with key', backup.keyId],
      ['Removed', at(backup.deleteTime, zone)],
      ['SHA-256', backup.sha256 && html`<span class="code">${backup.sha256}</span>`],
      [
        'Size',
        backup.sizeBytes < 1024n ? bytes(backup.sizeBytes) : `${bytes(backup.sizeBytes)} (${backup.sizeBytes} bytes)`,
      ],
      ['Brought back from', run?.spec?.downgrade?.dataFrom],
    ]),
  );
}

function commandSection({ commandResults }: schedulerV1.RunReport): Html | undefined {
  if (commandResults.length === 0) return undefined;
  const lines = commandResults.map((result) => [result.host, resultText(result), result.output.trim()]);
  return section('Command', rows(['Host', 'Result', 'It wrote'], lines));
}

function hostsSection({ report }: ReportPage): Html | undefined {
  const { versionsBefore, versionsAfter, absentHosts, shutHosts, run } = report;
  const hosts = [...new Set([...Object.keys(versionsBefore), ...Object.keys(versionsAfter)])].toSorted(compare);
  if (hosts.length === 0) return undefined;
  const roles = new Map(run?.spec?.hosts.map(({ host, role }) => [host, roleWord(role)]));
  const note = (host: string): string =>
    shutHosts[host] ?? (absentHosts.includes(host) ? 'was switched off, follows later' : '');
  return section(
    'Hosts',
    rows(
      ['Host', 'Role', 'Before', 'After', 'Note'],
      hosts.map((host) => [host, roles.get(host), versionsBefore[host], versionsAfter[host], note(host)]),
    ),
  );
}

function durationsSection(report: schedulerV1.RunReport): Html | undefined {
  const { phases, estimatedFrom } = report;
  if (phases.length === 0) return undefined;
  const longest = Math.max(1, ...phases.flatMap((p) => [durationToMs(p.took) ?? 0, durationToMs(p.estimate) ?? 0]));
  const lines = phases.map(({ phase, took, estimate }) => [
    phase,
    html`<span class="number">${spanOf(took)}</span>`,
    html`<span class="number">${spanOf(estimate)}</span>`,
    html`<meter min="0" max="${longest}" value="${durationToMs(took) ?? 0}">${spanOf(took)}</meter>`,
  ]);
  const from = estimatedFrom > 0 ? `Estimates are the median of ${count(estimatedFrom, 'earlier run')}.` : 'There are no earlier runs to estimate from.'; // prettier-ignore
  return section(
    'Durations',
    rows(['Phase', 'Took', 'Estimated', 'Share of the longest'], lines),
    html`<p class="kind">${from}</p>`,
  );
}

function timelineSection({ report: { run }, zone }: ReportPage): Html | undefined {
  if (!run || run.timeline.length === 0) return undefined;
  const lines = run.timeline.map(({ time, event, host, text }) => [at(time, zone), event, host, text]);
  return section('What happened', rows(['Time', 'Event', 'Host', 'What'], lines));
}

/** By code unit: the same on every machine, whatever its language. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byFirst([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return compare(a, b);
}
