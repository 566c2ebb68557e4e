import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PIP_MS = 90_000;

/** Runs a command to its end; the problem in one line, or undefined. */
export function problemOf(command: string, args: readonly string[], timeout: number): string | undefined {
  const { status, error, stderr } = spawnSync(command, [...args], { encoding: 'utf8', timeout });
  if (status === 0) return undefined;
  return error?.message ?? stderr.trim().split('\n').at(-1) ?? `ended with ${status}`;
}

export interface PythonVenv {
  readonly python: string;
  /** Why there is none: no python3, or pip cannot fetch the packages in time. */
  readonly problem: string | undefined;
}

/** A Python with these packages in a folder of its own that goes with this process. Synchronous: it decides whether a suite is there. */
export function preparePython(...packages: readonly string[]): PythonVenv {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-python-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const python = join(folder, 'venv/bin/python');
  const install = ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '--retries', '1', ...packages];
  const problem =
    problemOf('python3', ['-m', 'venv', join(folder, 'venv')], PIP_MS) ?? problemOf(python, install, PIP_MS);
  return { python, problem };
}
