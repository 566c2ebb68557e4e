import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createRecorder } from './recorder.js';

/*
 * Real programs in tests: started, watched line by line, ended by real signals, and never left behind.
 */

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly pid: number;
  /** Lines of stdout and stderr so far, in the order in which they came. */
  readonly lines: readonly string[];
  /** The first line that fits, of those that came already too. Rejects when the program ends before, or when none came in time. */
  until(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Hands over every line from now on, as it comes. */
  onLine(listener: (line: string) => void): void;
  write(text: string): void;
  kill(signal?: NodeJS.Signals): void;
  /** Resolves when it has ended by itself or by a signal. */
  readonly exited: Promise<ChildExit>;
  /** SIGTERM, and SIGKILL when that does not help in time. Safe twice. */
  stop(timeoutMs?: number): Promise<ChildExit>;
}

const running = new Set<ChildProcess>();
// A test that fails must not leave programs behind that hold ports and files.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** `env` is added to this process's; undefined takes a variable away. */
export function startChild(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
  options: { readonly cwd?: string } = {},
): Child {
  const child = spawn(command, [...args], { ...options, env: { ...process.env, ...env }, stdio: 'pipe' });
  running.add(child);
  const lines = createRecorder<string>();
  const listeners: ((line: string) => void)[] = [];
  const name = `${command} ${args.join(' ')}`;
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
      lines.add(line);
      for (const listener of listeners) listener(line);
    });
  }
  // A program that is gone does not read any more; whoever waits for it hears that from `exited`.
  child.stdin.on('error', () => undefined);
  const exited = new Promise<ChildExit>((resolve) => {
    const end = (exit: ChildExit, why: string): void => {
      running.delete(child);
      lines.close(`${name} ${why}; its last lines:\n${lines.items.slice(-20).join('\n')}\n`);
      resolve(exit);
    };
    // `close` comes when the last line was read, `exit` may come before.
    child.once('close', (code, signal) => end({ code, signal }, `ended with ${signal ?? code}`));
    child.once('error', (error) => end({ code: null, signal: null }, `was not started: ${error.message}`));
  });

  return {
    pid: child.pid ?? 0,
    lines: lines.items,
    until: async (pattern, timeoutMs = 30_000) => {
      const tail = (): string =>
        `line of ${name} like ${pattern}; its last lines:\n${lines.items.slice(-20).join('\n')}`;
      const line = await lines.until((text) => pattern.test(text), timeoutMs, tail);
      return matchOf(pattern, line);
    },
    onLine: (listener) => void listeners.push(listener),
    write: (text) => void child.stdin.write(text),
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    exited,
    stop: async (timeoutMs = 10_000) => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
      try {
        return await exited;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function matchOf(pattern: RegExp, line: string): RegExpExecArray {
  const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(line);
  if (!match) throw new Error(`${pattern} fits only with its state; leave out the flags g and y`);
  return match;
}
