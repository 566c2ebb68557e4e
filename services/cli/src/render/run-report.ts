import { commonV1, type eventsV1, type preflightV1, type schedulerV1 } from '@lastcall/contracts';
import { endLine, entryLine, runSubject } from '../watch/run-text.js';
import { bytes, count, fields, oneLine, safe, table } from './text.js';
import { spanOf, time } from './time.js';
import { lastPart, verdictWord } from './words.js';

/** What a run did, for people. Sections without content are left out, so that it serves a run in progress too. */
export function reportText(report: schedulerV1.RunReport, zone: string): string {
  const { run, preflight, drain, backup } = report;
  const spec = run?.spec;
  const blocking =
    preflight?.checks.filter((c) => !c.override && !['passed', 'skipped'].includes(verdictWord(c.verdict))) ?? [];
  const head = fields([
    ['Run', run && lastPart(run.name)],
    ['What', run && runSubject(run)],
    ['Job', run?.job],
    ['Outcome', run && (endLine(run) ?? `still running (${run.phase})`)],
    ['Due', time(spec?.nominalTime, zone)],
    ['Started', time(spec?.startedAt, zone)],
    ['Ended', time(run?.finishTime, zone)],
    ['Ended by', run?.failure?.facts['by']],
    ['Took', tookText(report)],
    ...waitingRows(run, zone),
    ['Requested by', spec?.requestedBy],
    ['Confirmed', confirmedText(report, zone)],
    ['Checks', preflight && `${count(preflight.checks.length, 'check')}, ${verdictWord(preflight.verdict)}`],
    ['Blocking', blocking.map((c) => oneLine(`${c.check} ${c.host}: ${c.found} ${c.remedy}`)).join('\n')],
    ['Overridden', preflight?.checks.flatMap((c) => overrideText(c, zone) ?? []).join('\n')],
    ['Told', time(report.noticeTime, zone)],
    ['Logoff', time(report.logoffTime, zone)],
    ['Users', drain && drainText(drain)],
    ['Gate shut for', spanOf(report.gateShut)],
    [
      'Stays shut',
      Object.entries(report.shutHosts)
        .map(([host, why]) => `${host}: ${why}`)
        .join('\n'),
    ],
    ['Backup', backup && backupText(backup, zone)],
    ['Way back', report.wayBack && wayBackText(report.wayBack)],
    [isCommand(report) ? 'Left out' : 'Follow later', report.absentHosts.join(', ')],
  ]);
  return [
    head,
    isCommand(report) ? commandText(report) : hostsText(report),
    phasesText(report),
    timelineText(run, zone),
  ]
    .filter(Boolean)
    .join('\n');
}

export function isCommand({ run }: schedulerV1.RunReport): boolean {
  return run?.spec?.type === commonV1.JobType.RUN_COMMAND;
}

/** How the command ended on a host. */
export function resultText({ failure }: eventsV1.CommandResult): string {
  return failure ? oneLine(`${failure.message} [${failure.reason}]`) : 'ended well';
}

function commandText({ commandResults }: schedulerV1.RunReport): string {
  if (commandResults.length === 0) return '';
  const rows = commandResults.map((result) => [result.host, resultText(result)]);
  const wrote = commandResults.filter(({ output }) => output.trim() !== '').map(wroteText);
  return [table(['host', 'result'], rows), ...wrote].join('\n');
}

function wroteText({ host, output }: eventsV1.CommandResult): string {
  const lines = safe(output.trim()).split('\n');
  return [`It wrote on ${host}:`, ...lines.map((line) => `  ${line}`), ''].join('\n');
}

/** A run of before the confirmations were kept has their names only. */
export function confirmedText({ confirmations, confirmedCautions }: schedulerV1.RunReport, zone: string): string {
  if (confirmations.length === 0) return confirmedCautions.join(', ');
  const line = ({ caution, text, confirmedBy, confirmTime }: schedulerV1.Confirmation): string =>
    oneLine(`${caution} by ${confirmedBy}, ${time(confirmTime, zone) ?? ''}: ${text}`);
  return confirmations.map(line).join('\n');
}

/** `38 min, estimated 35 min (median of 6 runs)`. */
export function tookText({ took, estimate, estimatedFrom }: schedulerV1.RunReport): string | undefined {
  const estimated = estimate && `estimated ${spanOf(estimate)} (median of ${count(estimatedFrom, 'run')})`;
  return [spanOf(took), estimated].filter(Boolean).join(', ');
}

/** What an active run waits for, for whom, until when, and what can be done. */
function waitingRows(run: schedulerV1.Run | undefined, zone: string): [string, string | undefined][] {
  const waiting = run?.waitingFor;
  if (!waiting) return [];
  return [
    ['Now', waiting.text],
    ['Until', time(waiting.dueTime, zone)],
    ['You can', waiting.actions.join('\n')],
  ];
}

/** By whom a check need not have passed, why, and until when; undefined when nobody said so. */
export function overrideText({ check, host, override }: preflightV1.Check, zone: string): string | undefined {
  if (!override) return undefined;
  const where = host === '' ? check : `${check} on ${host}`;
  const until = override.expireTime ? `, until ${time(override.expireTime, zone)}` : '';
  return oneLine(`${where} by ${override.createdBy}${until}: ${override.reason}`);
}

/** The backup and its proof. */
export function backupText(backup: preflightV1.Backup, zone: string): string {
  if (backup.restorePoint === '') return 'there is no data to back up';
  const when = backup.takenAt ? `, taken ${time(backup.takenAt, zone)}` : '';
  const hash = backup.sha256 === '' ? '' : `, SHA-256 ${backup.sha256}`;
  return `${backup.restorePoint} on ${backup.host}, ${bytes(backup.sizeBytes)}${when}, ${proofText(backup, zone)}${hash}`;
}

/** What speaks for a backup. */
export function proofText({ verified, verifiedAt, verifyFailure, proof }: preflightV1.Backup, zone: string): string {
  const when = verifiedAt ? ` ${time(verifiedAt, zone)}` : '';
  if (!verified) return `NOT PROVEN${verifyFailure ? `: ${verifyFailure.message}` : ''}`;
  if (!proof?.evidence) return `proven${when}`;
  return oneLine(`reported by ${proof.reportedBy}, proven${when} by ${evidenceText(proof.evidence)}`);
}

function evidenceText(evidence: NonNullable<preflightV1.BackupProof['evidence']>): string {
  switch (evidence.$case) {
    case 'file':
      return `the file ${evidence.value.path} (${bytes(evidence.value.sizeBytes)}, SHA-256 ${evidence.value.sha256})`;
    case 'sha256':
      return `SHA-256 ${evidence.value}`;
    case 'command':
      return `the command ${evidence.value.command}`;
  }
}

export function wayBackText({ dataRestored, failures }: schedulerV1.WayBack): string {
  const data = dataRestored ? 'the data was restored from the backup' : 'the data was not restored';
  return [data, ...failures.map((f) => `${f.host === '' ? '' : `${f.host}: `}${f.message}`)].join('\n');
}

function phasesText({ phases }: schedulerV1.RunReport): string {
  if (phases.length === 0) return '';
  const rows = phases.map(({ phase, took, estimate }) => [phase, spanOf(took) ?? '', spanOf(estimate) ?? '']);
  return table(['phase', 'took', 'estimated'], rows);
}

export function drainText({
  told,
  acknowledged,
  read,
  ready,
  left,
  ended,
  lost,
  holds,
}: eventsV1.DrainSummary): string {
  const parts = [
    `${told} told`,
    `${acknowledged} received it`,
    `${read} read it`,
    `${left} left${ready ? ` (${ready} said that they were ready)` : ''}`,
    `${ended} logged off`,
    lost ? `${lost} lost` : '',
    holds ? count(holds, 'hold') : '',
  ];
  return parts.filter(Boolean).join(', ');
}

function hostsText({ versionsBefore, versionsAfter }: schedulerV1.RunReport): string {
  const hosts = [...new Set([...Object.keys(versionsBefore), ...Object.keys(versionsAfter)])].toSorted();
  if (hosts.length === 0) return '';
  return table(
    ['host', 'before', 'after'],
    hosts.map((host) => [host, versionsBefore[host] ?? '', versionsAfter[host] ?? '']),
  );
}

function timelineText(run: schedulerV1.Run | undefined, zone: string): string {
  if (!run || run.timeline.length === 0) return '';
  return [`What happened (times in ${zone}):\n`, ...run.timeline.map((e) => `  ${entryLine(e, zone)}\n`)].join('');
}
