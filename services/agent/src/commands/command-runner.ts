import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { Interrupted } from '../step-failure.js';

/*
 * Runs one command of a manifest: an argument list without a shell, in a process group of its own, with a time limit. Output goes
 * to a file and not through pipes: a program that the command leaves running (a server that it started) keeps the file open, and
 * only the end of the command itself is waited for. The file stays bounded however much is written to it.
 */

export interface CommandRequest {
  readonly run: readonly string[];
  readonly timeoutMs: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What it writes, both streams. Appended to. */
  readonly logFile: string;
  readonly signal: AbortSignal;
  /** From SIGTERM to SIGKILL. Default 5 s. */
  readonly graceMs?: number;
  /** Size at which older output is thrown away. Default 4 MiB. */
  readonly maxLogBytes?: number;
}

/** How it ended, with the end of what it wrote. */
export type CommandOutcome = { readonly output: string; readonly durationMs: number } & (
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'not-started'; readonly why: string }
);

export const OUTPUT_TAIL_BYTES = 16 * 1024;
const MAX_LOG_BYTES = 4 * 1024 * 1024;
const GRACE_MS = 5_000;
const TRIM_EVERY_MS = 100;

type Exit =
  { kind: 'exited'; exitCode: number } | { kind: 'killed'; signal: string } | { kind: 'not-started'; why: string };

/** Resolves when the command has ended. Throws Interrupted when the signal came first; its processes are gone then. */
export async function runCommand(request: CommandRequest): Promise<CommandOutcome> {
  if (request.signal.aborted) throw new Interrupted();
  const log = openSync(request.logFile, 'a+', 0o600);
  const begunAt = Date.now();
  const from = fstatSync(log).size;
  const growing = new GrowingLog(log, request.maxLogBytes ?? MAX_LOG_BYTES);
  const trimmer = setInterval(() => growing.trim(), TRIM_EVERY_MS);
  try {
    const { exit, timedOut } = await runToEnd(request, log);
    growing.end();
    const ended = { output: readTail(log, from), durationMs: Date.now() - begunAt };
    return timedOut ? { kind: 'timed-out', ...ended } : { ...exit, ...ended };
  } finally {
    clearInterval(trimmer);
    closeSync(log);
  }
}

async function runToEnd(request: CommandRequest, log: number): Promise<{ exit: Exit; timedOut: boolean }> {
  const [program = '', ...args] = request.run;
  const { cwd, env } = request;
  const child = spawn(program, args, {
    cwd,
    env: { ...env },
    stdio: ['ignore', log, log],
    detached: process.platform !== 'win32',
    windowsHide: true,
    shell: false,
  });
  const ended = exitOf(child);
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), request.timeoutMs);
  const stop = AbortSignal.any([limit.signal, request.signal]);
  const onStop = (): void => killGroup(child, 'SIGTERM');
  stop.addEventListener('abort', onStop, { once: true });
  try {
    const first = await Promise.race([ended, aborted(stop)]);
    if (first !== 'aborted') return { exit: first, timedOut: false };
    const exit = await endGroup(child, ended, request.graceMs ?? GRACE_MS);
    if (request.signal.aborted) throw new Interrupted();
    return { exit, timedOut: true };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', onStop);
  }
}

/** `exit`, not `close`: nobody waits for programs that inherited the output. */
function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ kind: 'not-started', why: error.message }));
    child.once('exit', (exitCode, signal) =>
      resolve(exitCode === null ? { kind: 'killed', signal: signal ?? 'unknown' } : { kind: 'exited', exitCode }),
    );
  });
}

function aborted(signal: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('aborted');
    signal.addEventListener('abort', () => resolve('aborted'), { once: true });
  });
}

/** SIGTERM was sent. Waits for the command, then ends whatever of its group is left. */
async function endGroup(child: ChildProcess, ended: Promise<Exit>, graceMs: number): Promise<Exit> {
  const kill = setTimeout(() => killGroup(child, 'SIGKILL'), graceMs);
  const exit = await ended;
  clearTimeout(kill);
  killGroup(child, 'SIGKILL');
  return exit;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') {
    spawn('taskkill', ['/PID', String(child.pid), '/T', '/F'], { stdio: 'ignore', windowsHide: true }).unref();
    return;
  }
  try {
    process.kill(-child.pid, signal);
  } catch {
    // ESRCH: all of the group have ended.
  }
}

/** Keeps the end of a file that has grown too large and that nobody writes to. */
export function trim(fd: number, maxBytes: number): void {
  if (fstatSync(fd).size <= maxBytes) return;
  const tail = readEnd(fd, 0);
  ftruncateSync(fd, 0);
  writeSync(fd, tail);
}

/**
 * A log that a command is writing to. What is kept of it is put back when the command has ended: before that it would come after words that
 * were written meanwhile.
 */
class GrowingLog {
  private kept: Buffer = Buffer.alloc(0);

  constructor(
    private readonly fd: number,
    private readonly maxBytes: number,
  ) {}

  trim(): void {
    const { fd } = this;
    if (fstatSync(fd).size <= this.maxBytes) return;
    this.kept = readEnd(fd, 0);
    ftruncateSync(fd, 0);
  }

  end(): void {
    const { fd, kept } = this;
    if (kept.byteLength === 0) return;
    const since = readEnd(fd, 0);
    ftruncateSync(fd, 0);
    writeSync(fd, Buffer.concat([kept, since]).subarray(-OUTPUT_TAIL_BYTES));
  }
}

function readEnd(fd: number, from: number): Buffer {
  const { size } = fstatSync(fd);
  // A file that was trimmed meanwhile holds nothing older than the last command anyway.
  const start = Math.max(from > size ? 0 : from, size - OUTPUT_TAIL_BYTES);
  const buffer = Buffer.alloc(Math.max(size - start, 0));
  return buffer.subarray(0, readSync(fd, buffer, 0, buffer.byteLength, start));
}

/** Text of what was written since `from`, at most the last 16 KiB, without characters that would not survive a report. */
function readTail(fd: number, from: number): string {
  // eslint-disable-next-line no-control-regex -- colours and other terminal controls are what is taken out
  const controls = /\u001b\[[0-9;?]*[A-Za-z]|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;
  return readEnd(fd, from).toString('utf8').replace(controls, '').trimEnd();
}
