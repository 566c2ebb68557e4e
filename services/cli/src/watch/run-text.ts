import { commonV1, type schedulerV1 } from '@lastcall/contracts';
import { oneLine } from '../render/text.js';
import { clock } from '../render/time.js';
import { jobTypeWord, lastPart, outcomeWord } from '../render/words.js';

/* A run in sentences; the same ones on a terminal, in a log and in a report. */

/** `encore 11.0.0 -> 11.1.0 on berlin`. */
export function runSubject({ spec }: schedulerV1.Run): string {
  if (!spec) return 'run';
  const { product, fromVersion, toVersion, installation, command } = spec;
  if (command !== '') return `${command} of ${product} ${fromVersion} on ${installation}`;
  if (toVersion === '') return `${jobTypeWord(spec.type)} of ${product} on ${installation}`;
  return `${product} ${fromVersion || '(unknown)'} -> ${toVersion} on ${installation}`;
}

/** Whether it shuts the gate and logs users off. */
export function isGated({ spec }: schedulerV1.Run): boolean {
  const { MAINTENANCE_WINDOW, SOFTWARE_UPDATE } = commonV1.JobType;
  const logsOff = spec?.type === SOFTWARE_UPDATE || spec?.type === MAINTENANCE_WINDOW;
  return logsOff && spec?.kind === commonV1.InstallationKind.MULTI_USER;
}

export function entryLine({ time, event, host, text }: schedulerV1.TimelineEntry, zone: string): string {
  const words = [event, host === '' ? '' : `[${host}]`, text === '' ? '' : `- ${text}`];
  return oneLine(`${clock(time, zone)}  ${words.filter(Boolean).join(' ')}`);
}

/** How it ended; undefined while it is active. */
export function endLine(run: schedulerV1.Run): string | undefined {
  const outcome = outcomeWord(run.outcome);
  if (outcome === '') return undefined;
  const { failure } = run;
  const why = failure ? `: ${failure.message}${failure.host ? ` (${failure.host})` : ''} [${failure.reason}]` : '';
  const alarm = run.alarm ? ' - A PERSON IS NEEDED' : '';
  return oneLine(`${outcome}${why}${alarm}`);
}

export function runTitle(run: schedulerV1.Run): string {
  const job = run.job === '' ? '' : `, job ${run.job}`;
  return oneLine(`${runSubject(run)} (run ${lastPart(run.name)}${job})`);
}

/** `waiting for host berlin-ts1 (download 43 %) …, until 22:40:00`; undefined when the run waits for nothing, or nobody says so. */
export function waitingLine({ waitingFor }: schedulerV1.Run, zone: string): string | undefined {
  if (!waitingFor) return undefined;
  const until = waitingFor.dueTime ? `, until ${clock(waitingFor.dueTime, zone)}` : '';
  return oneLine(`${waitingFor.text}${until}`);
}
