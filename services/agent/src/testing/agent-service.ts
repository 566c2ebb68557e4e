import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/*
 * What a service manager does for the agent: starts the launcher, and starts it again when it did not end by itself (`Restart=on-failure`).
 */

export interface AgentService {
  /** Of the process that the service manager sees. */
  pid(): number;
  readonly lines: readonly string[];
  /** How often it was started. */
  starts(): number;
  /** Resolves with the first line that fits, from line `from` on. */
  until(fits: (line: string) => boolean, from?: number): Promise<string>;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

export function startAgentService(launcher: string, dataDir: string, ...args: readonly string[]): AgentService {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let starts = 0;
  let stopping = false;
  let child: ChildProcess;
  let ended: Promise<void>;
  const start = (): void => {
    starts += 1;
    const command = [launcher, 'run', '--data', dataDir, ...args];
    child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        const parts = (rest + chunk).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts);
        for (const look of waiting) look();
      });
    }
    ended = new Promise((resolve) => {
      child.once('exit', (code) => {
        if (!stopping && code !== 0) start();
        resolve();
      });
    });
  };
  start();
  return {
    lines,
    pid: () => child.pid ?? 0,
    starts: () => starts,
    until: (fits, from = 0) =>
      new Promise((resolve) => {
        const look = (): void => {
          const line = lines.slice(from).find(fits);
          if (line === undefined) return;
          waiting.delete(look);
          resolve(line);
        };
        waiting.add(look);
        look();
      }),
    stop: async () => {
      stopping = true;
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Processes of agents on this data folder. */
export function agentsOn(dataDir: string, word = 'run'): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return words.includes(word) && words.includes(dataDir);
      } catch {
        return false; // Gone between two looks.
      }
    })
    .map(Number);
}
