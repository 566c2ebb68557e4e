import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LeftOver } from '../domain/order.js';
import type { Platform } from '../platform/port.js';
import { StepFailure, throwIfStopping } from '../step-failure.js';
import { endListed } from './listed-processes.js';

/*
 * Processes of an installed version that its `stop` command left running. Found by what they run and have open below `versions/`: executable,
 * script among the arguments, open or mapped files. A working folder alone proves nothing: it may be the shell of a person who looks.
 * Asked first (SIGTERM), ended after a while (SIGKILL), and reported. Never the agent itself or what it was started by. Other systems than
 * Linux show the executable alone, by the port: `listed-processes.ts`.
 */

export interface OldProcesses {
  /** Ends them and answers what they were. Throws a StepFailure when one cannot be ended. */
  end(signal: AbortSignal): Promise<readonly LeftOver[]>;
}

export interface OldProcessesOptions {
  /** Where versions lie: whatever runs from below it belongs to the application. */
  readonly versionsDir: string;
  readonly platform: Platform;
  /** From SIGTERM to SIGKILL. Default 5 s. */
  readonly graceMs?: number;
}

const GRACE_MS = 5_000;
const LOOK_EVERY_MS = 50;
/** An ended process may have started another one just before. */
const ROUNDS = 2;
const REPORTED_MAX = 100;
const TEXT_MAX = 400;

interface Found {
  readonly pid: number;
  /** Together with the pid it is the same process, however long it is looked at. */
  readonly startedAt: string;
  readonly command: string;
  readonly foundBy: string;
}

export function createOldProcesses({ versionsDir, platform, graceMs = GRACE_MS }: OldProcessesOptions): OldProcesses {
  return {
    end: async (signal) => {
      const folder = `${realpathSync(versionsDir)}${sep}`;
      if (platform.system !== 'linux') {
        const { ended, remaining } = await endListed(platform, folder, graceMs, signal);
        if (remaining.length > 0) throw remain(remaining);
        return ended.slice(0, REPORTED_MAX);
      }
      const ended: LeftOver[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const found = findBelow(folder);
        if (found.length === 0) break;
        ended.push(...(await endAll(found, graceMs, signal)));
      }
      // What is started anew all the time, by users for example, is let in by nobody before the gate opens, and hinders no rename.
      return ended.slice(0, REPORTED_MAX);
    },
  };
}

async function endAll(found: readonly Found[], graceMs: number, signal: AbortSignal): Promise<LeftOver[]> {
  for (const one of found) send(one, 'SIGTERM');
  const deaf = new Set(await aliveAfter(found, graceMs, signal));
  for (const one of deaf) send(one, 'SIGKILL');
  const immortal = await aliveAfter([...deaf], GRACE_MS, signal);
  if (immortal.length > 0) throw remain(immortal);
  return found.map((one) => {
    const { pid, command, foundBy } = one;
    return { pid, command, foundBy, ended: deaf.has(one) ? 'killed' : 'asked' };
  });
}

async function aliveAfter(found: readonly Found[], limitMs: number, signal: AbortSignal): Promise<Found[]> {
  const until = Date.now() + limitMs;
  let alive = found.filter(isAlive);
  while (alive.length > 0 && Date.now() < until) {
    throwIfStopping(signal);
    await delay(LOOK_EVERY_MS);
    alive = alive.filter(isAlive);
  }
  return alive;
}

function remain(found: readonly Pick<Found, 'pid' | 'command'>[]): StepFailure {
  const names = found.map(({ pid, command }) => `${pid} (${command})`).join(', ');
  const message = `processes of the version before cannot be ended: ${names}; look who they belong to`;
  return new StepFailure('PROCESSES_REMAIN', message, { processes: names });
}

function findBelow(folder: string): Found[] {
  const own = ownFamily();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && !own.has(Number(name)))
    .flatMap((name) => look(Number(name), folder) ?? []);
}

/** This process and those that it was started by. */
function ownFamily(): ReadonlySet<number> {
  const family = new Set<number>();
  for (let pid = process.pid; pid > 0 && !family.has(pid); pid = Number(statOf(pid)?.[PARENT] ?? 0)) family.add(pid);
  return family;
}

function look(pid: number, folder: string): Found | undefined {
  const stat = statOf(pid);
  if (!stat || stat[STATE] === 'Z') return undefined;
  const words = (textOf(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((word) => word !== '');
  const foundBy = why(pid, words, folder);
  if (foundBy === undefined) return undefined;
  const command = words.join(' ').slice(0, TEXT_MAX) || (stat[NAME] ?? '');
  return { pid, startedAt: stat[STARTED] ?? '', command, foundBy: foundBy.slice(0, TEXT_MAX) };
}

function why(pid: number, words: readonly string[], folder: string): string | undefined {
  const isInside = (path: string | undefined): path is string => path?.startsWith(folder) === true;
  const executable = linkOf(`/proc/${pid}/exe`);
  if (isInside(executable)) return `executable ${executable}`;
  const script = scriptOf(pid, words);
  if (isInside(script)) return `script ${script}`;
  const open = openFilesOf(pid).find(isInside);
  return open === undefined ? undefined : `open file ${open}`;
}

/** The first argument that is no option and names a file: what an interpreter was given to run. */
function scriptOf(pid: number, words: readonly string[]): string | undefined {
  const cwd = linkOf(`/proc/${pid}/cwd`);
  if (cwd === undefined) return undefined;
  for (const word of words.slice(1)) {
    if (word.startsWith('-')) continue;
    try {
      return realpathSync(resolve(cwd, word));
    } catch {
      // No file: the value of an option, for example.
    }
  }
  return undefined;
}

function openFilesOf(pid: number): string[] {
  const descriptors = namesIn(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`) ?? []);
  const mapped = (textOf(`/proc/${pid}/maps`) ?? '').split('\n').flatMap((line) => /\s(\/.+)$/.exec(line)?.[1] ?? []);
  return [...descriptors, ...mapped];
}

/** Places in /proc/PID/stat, counted from the name. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const [NAME, STATE, PARENT, STARTED] = [0, 1, 2, 20];

/** The name may hold spaces and brackets, so the rest is read from its last bracket. */
function statOf(pid: number): string[] | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  const end = text?.lastIndexOf(')') ?? -1;
  if (text === undefined || end < 0) return undefined;
  return [text.slice(text.indexOf('(') + 1, end), ...text.slice(end + 2).split(' ')];
}

function isAlive({ pid, startedAt }: Found): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat[STATE] !== 'Z' && stat[STARTED] === startedAt;
}

function send(one: Found, signal: NodeJS.Signals): void {
  if (!isAlive(one)) return;
  try {
    process.kill(one.pid, signal);
  } catch {
    // Gone meanwhile, or somebody else's: then it remains and is reported.
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // Gone meanwhile, or not ours to read.
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // Gone meanwhile, or not ours to read.
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return []; // Gone meanwhile, or not ours to read.
  }
}
