import type { eventsV1, preflightV1, schedulerV1 } from '@lastcall/contracts';
import { endLine, entryLine, runSubject } from '../watch/run-text.js';
import { bytes, count, fields, oneLine, table } from './text.js';
import { spanOf, time } from './time.js';
import { lastPart, verdictWord } from './words.js';

/** What a run did, for people. Sections without content are left out, so that it serves a run in progress too. */
export function reportText(report: schedulerV1.RunReport, zone: string): string {
  const { run, preflight, drain, backup } = report;
  const spec = run?.spec;
  const notPassed = preflight?.checks.filter((c) => !['passed', 'skipped'].includes(verdictWord(c.verdict))) ?? [];
  const blocking = notPassed.filter((c) => !c.override);
  const head = fields([
    ['Run', run && lastPart(run.name)],
    ['What', run && runSubject(run)],
    ['Job', run?.job],
    ['Outcome', run && (endLine(run) ?? `still running (${run.phase})`)],
    ['Due', time(spec?.nominalTime, zone)],
    ['Started', time(spec?.startedAt, zone)],
    ['Ended', time(run?.finishTime, zone)],
    ['Requested by', spec?.requestedBy],
    ['Confirmed', report.confirmedCautions.join(', ')],
    ['Checks', preflight && `${count(preflight.checks.length, 'check')}, ${verdictWord(preflight.verdict)}`],
    ['Blocking', blocking.map((c) => oneLine(`${c.check} ${c.host}: ${c.found} ${c.remedy}`)).join('\n')],
    [
      'Overridden',
      notPassed
        .map((c) => overrideText(c, zone))
        .filter(Boolean)
        .join('\n'),
    ],
    ['Users', drain && drainText(drain)],
    ['Gate shut for', spanOf(report.gateShut)],
    ['Backup', backup && `${backup.restorePoint} on ${backup.host}, ${bytes(backup.sizeBytes)}`],
    ['Follow later', report.absentHosts.join(', ')],
  ]);
  return [head, hostsText(report), timelineText(run, zone)].filter(Boolean).join('\n');
}

function overrideText({ check, host, found, override }: preflightV1.Check, zone: string): string {
  if (!override) return '';
  const { createdBy, expireTime, reason } = override;
  return oneLine(`${check} ${host}: ${found}; by ${createdBy} until ${time(expireTime, zone)}: ${reason}`);
}

function drainText({ told, acknowledged, read, ready, left, ended, lost, holds }: eventsV1.DrainSummary): string {
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
