import { closeSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { trim } from './commands/command-runner.js';

/*
 * Keeps the folder of captured output small. A program that a command left running goes on writing into the file that it was given.
 */

const MAX_FILES = 500;
const MAX_BYTES = 4 * 1024 * 1024;

export function trimLogs(dir: string, maxFiles = MAX_FILES, maxBytes = MAX_BYTES): void {
  const files = readdirSync(dir).map((name) => ({ path: join(dir, name), ...statOf(join(dir, name)) }));
  files.sort((a, b) => b.changedAt - a.changedAt);
  for (const { path, size } of files.slice(0, maxFiles)) {
    if (size <= maxBytes) continue;
    const fd = openSync(path, 'a+');
    trim(fd, maxBytes);
    closeSync(fd);
  }
  for (const { path } of files.slice(maxFiles)) rmSync(path, { force: true });
}

function statOf(path: string): { size: number; changedAt: number } {
  const { size, mtimeMs } = statSync(path);
  return { size, changedAt: mtimeMs };
}
