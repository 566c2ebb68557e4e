import { buildSync } from 'esbuild';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The real program in a process of its own, put together from the sources once for each suite. */
export interface AgentProcess {
  readonly pid: number;
  readonly lines: readonly string[];
  /** Resolves with the first line that fits, of those that came already too; fails when the process ends before. */
  until(fits: (line: string) => boolean): Promise<string>;
  /** Resolves when the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  readonly exited: Promise<number | null>;
}

let program: string | undefined;

function build(): string {
  if (program !== undefined) return program;
  program = join(mkdtempSync(join(tmpdir(), 'lastcall-agent-program-')), 'main.cjs');
  buildSync({
    entryPoints: [join(__dirname, '..', 'main.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    target: 'node24',
    conditions: ['@lastcall/source'],
    logLevel: 'error',
  });
  return program;
}

/** After the last test of a suite. */
export function removeAgentProgram(): void {
  if (program !== undefined) rmSync(dirname(program), { recursive: true, force: true });
  program = undefined;
}

export function startAgentProcess(...args: readonly string[]): AgentProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', build(), ...args], { stdio: 'pipe' });
  const lines: string[] = [];
  let look: () => void = () => undefined;
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
      look();
    });
  }
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    pid: child.pid ?? 0,
    lines,
    exited,
    until: async (fits) => {
      const found = new Promise<string>((resolve) => {
        look = () => {
          const line = lines.find(fits);
          if (line !== undefined) resolve(line);
        };
        look();
      });
      return Promise.race([found, exited.then(() => Promise.reject(new Error(`ended early:\n${lines.join('\n')}`)))]);
    },
    kill: async (signal = 'SIGKILL') => {
      child.kill(signal);
      await exited;
    },
  };
}
