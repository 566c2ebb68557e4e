import type { installerV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { meter } from '../render/progress.js';
import { bytes, count, oneLine } from '../render/text.js';
import { clock, span } from '../render/time.js';
import { lastPart, roleWord } from '../render/words.js';
import { endLine, entryLine, runTitle } from './run-text.js';

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
const SINGLE_USER_PHASES = ['preflight', 'staging', 'backing-up', 'installing', 'ended'];
const LAST_ENTRIES = 8;

export function runView(known: RunKnown, now: Date, columns: number): string[] {
  const { run, zone } = known;
  const lines = [
    runTitle(run),
    phaseLine(run),
    ...gateLines(known, now),
    ...hostLines(known),
    '',
    ...run.timeline.slice(-LAST_ENTRIES).map((entry) => `  ${entryLine(entry, zone)}`),
    `Times in ${zone}. Ctrl-C stops watching; the run goes on.`,
  ];
  const end = endLine(run);
  return [...lines.slice(0, end ? -1 : undefined), ...(end ? [end] : [])].map((line) => cut(line, columns));
}

function phaseLine({ phase, timeline }: schedulerV1.Run): string {
  const phases = timeline.some((e) => e.event === 'GateClosed') || phase === 'draining' ? PHASES : SINGLE_USER_PHASES;
  const shown = phases.includes(phase) ? phases : PHASES;
  const at = shown.indexOf(phase);
  return shown.map((p, i) => (i < at || phase === 'ended' ? `${p}` : i === at ? `>${p}<` : `(${p})`)).join(' ');
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

function cut(line: string, columns: number): string {
  const flat = line.startsWith('  ') ? `  ${oneLine(line)}` : oneLine(line);
  const chars = [...flat];
  return chars.length <= columns ? flat : `${chars.slice(0, Math.max(1, columns - 1)).join('')}~`;
}
