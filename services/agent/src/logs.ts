import { closeSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { trim } from './commands/command-runner.js';

/*
 * Keeps the folder of captured output small. A program that a command left running goes on writing into the file that it was given.
 */

const MAX_FILES = 500;
const MAX_BYTES = 4 * 1024 * 1024;

export function trimLogs(dir: string, maxFiles = MAX_FILES, maxBytes = MAX_BYTES): void {
  const files = readdirSync(dir).flatMap((name) => describe(join(dir, name)));
  files.sort((a, b) => b.changedAt - a.changedAt);
  for (const { path, size } of files.slice(0, maxFiles)) if (size > maxBytes) trimFile(path, maxBytes);
  for (const { path } of files.slice(maxFiles)) rmSync(path, { force: true });
}

function describe(path: string): { path: string; size: number; changedAt: number }[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats ? [{ path, size: stats.size, changedAt: stats.mtimeMs }] : [];
}

function trimFile(path: string, maxBytes: number): void {
  const fd = openSync(path, 'a+');
  try {
    trim(fd, maxBytes);
  } finally {
    closeSync(fd);
  }
}
