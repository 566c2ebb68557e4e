import { commonV1, type installerV1, type schedulerV1, type sessionV1 } from '@lastcall/contracts';
import { meter } from '../render/progress.js';
import { bytes, count, safe } from '../render/text.js';
import { clock, span } from '../render/time.js';
import { lastPart, roleWord } from '../render/words.js';
import { endLine, entryLine, isGated, runTitle, waitingLine } from './run-text.js';

/* The live view of a run: a pure function of what is known, so that it can be tested without a terminal. */

export interface RunKnown {
  readonly run: schedulerV1.Run;
  readonly hosts: readonly installerV1.Host[];
  /** What the installer says about each host of the run. */
  readonly tasks: readonly installerV1.HostTask[];
  readonly gate: sessionV1.Gate | undefined;
  readonly sessions: number | undefined;
  readonly zone: string;
}

const PHASES = ['preflight', 'staging', 'draining', 'backing-up', 'confirming', 'installing', 'reopening', 'ended'];
/** Of a single seat, and of a backup. */
const UNGATED_PHASES = ['preflight', 'staging', 'backing-up', 'installing', 'ended'];
const COMMAND_PHASES = ['preflight', 'commanding', 'ended'];
const MAINTENANCE_PHASES = ['draining', 'closed', 'ended'];
const LAST_ENTRIES = 8;

export function runView(known: RunKnown, now: Date, columns: number): string[] {
  const { run, zone } = known;
  const lines = [
    runTitle(run),
    phaseLine(run),
    ...waitingLines(run, zone),
    ...gateLines(known, now),
    ...hostLines(known),
    '',
    ...run.timeline.slice(-LAST_ENTRIES).map((entry) => `  ${entryLine(entry, zone)}`),
    `Times in ${zone}. Ctrl-C stops watching; the run goes on.`,
  ];
  const end = endLine(run);
  return [...lines.slice(0, end ? -1 : undefined), ...(end ? [end] : [])].map((line) => cut(line, columns));
}

/** What the run waits for, and the first thing that a person can do about it. */
function waitingLines(run: schedulerV1.Run, zone: string): string[] {
  const line = waitingLine(run, zone);
  const [action] = run.waitingFor?.actions ?? [];
  return line === undefined ? [] : [`Now: ${line}`, ...(action === undefined ? [] : [`     ${action}`])];
}

function phaseLine(run: schedulerV1.Run): string {
  const { phase } = run;
  // A phase of a newer scheduler is not in the row; the row is shown as not begun.
  const phases = phasesOf(run);
  const at = phases.indexOf(phase);
  return phases.map((p, i) => (i < at || phase === 'ended' ? p : i === at ? `>${p}<` : `(${p})`)).join(' ');
}

function phasesOf(run: schedulerV1.Run): readonly string[] {
  if (run.spec?.type === commonV1.JobType.RUN_COMMAND) return COMMAND_PHASES;
  if (!isGated(run)) return UNGATED_PHASES;
  return run.spec?.type === commonV1.JobType.MAINTENANCE_WINDOW ? MAINTENANCE_PHASES : PHASES;
}

function gateLines({ gate, sessions, zone }: RunKnown, now: Date): string[] {
  if (!gate || gate.run === '') return [];
  const users = sessions === undefined ? '' : `, ${count(sessions, 'user')} logged in`;
  const deadline = gate.notice?.deadline;
  if (deadline && deadline > now) {
    return [`Logoff in ${span(Math.ceil((+deadline - +now) / 1000) * 1000)} (${clock(deadline, zone)})${users}`];
  }
  const shut = Object.entries(gate.shutHosts).map(([host, why]) => `  ${host} stays shut: ${why}`);
  return [`The gate is shut${users}`, ...shut];
}

function hostLines({ run, hosts, tasks }: RunKnown): string[] {
  const named = run.spec?.hosts ?? [];
  if (named.length === 0) return [];
  const width = Math.max(...named.map((h) => h.host.length));
  return [
    '',
    ...named.map(({ host, role }) => {
      const task = tasks.find((t) => t.host === host);
      const seen = hosts.find((h) => lastPart(h.name) === host);
      const state = task?.state ?? (seen && !seen.connected ? 'offline' : 'waiting');
      const what = [
        host.padEnd(width),
        roleWord(role).padEnd(15),
        state.padEnd(12),
        (seen?.installedVersion ?? '').padEnd(10),
      ];
      return `  ${what.join(' ')} ${progressText(seen?.progress)}`.trimEnd();
    }),
  ];
}

function progressText(progress: installerV1.Host['progress']): string {
  if (!progress) return '';
  const { step, done, total } = progress;
  if (total === 0n) return step;
  return `${step} ${meter(Number(done), Number(total), 16)} ${bytes(done)} of ${bytes(total)}`;
}

/** Columns stay; what would begin another line or move the cursor does not. */
function cut(line: string, columns: number): string {
  const chars = [...safe(line).replace(/[\n\t]/g, ' ')];
  return chars.length <= columns ? chars.join('') : `${chars.slice(0, Math.max(1, columns - 1)).join('')}~`;
}
