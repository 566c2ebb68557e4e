import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/* What the machine gives: processors to pin programs to, and files that a process may have open. */

export interface Machine {
  /** Words before a program that is measured. */
  readonly server: readonly string[];
  /** Words before a program that measures. */
  readonly clients: readonly string[];
  /** False: all share what there is, and times say less. */
  readonly isPinned: boolean;
}

/** Beyond the sockets: files, pipes, libraries, the store. */
const OTHER_FILES = 300;

/** Throws when a process cannot have so many sockets, which is told before anything runs. */
export function prepareMachine(sockets: number): Machine {
  const more = wordsForFiles(sockets + OTHER_FILES);
  const isPinned = cpus().length > 1 && runs('taskset', '-c', '0,1', 'true');
  const on = (processor: number): string[] => (isPinned ? ['taskset', '-c', String(processor)] : []);
  return { server: [...more, ...on(0)], clients: [...more, ...on(1)], isPinned };
}

/** None where the limit is high enough: Node raises it to the hard one by itself. */
function wordsForFiles(files: number): string[] {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? '0';
  if (hard === 'unlimited' || Number(hard) >= files) return [];
  const words = ['prlimit', `--nofile=${files}:${files}`, '--'];
  const [command = '', ...rest] = words;
  if (runs(command, ...rest, 'true')) return words;
  throw new Error(
    `${files} files have to be open at once, and this machine allows ${hard}: raise it with \`ulimit -Hn ${files}\` ` +
      `as root (LimitNOFILE= of the unit, nofile in /etc/security/limits.conf), or measure with fewer --clients`,
  );
}

function runs(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
