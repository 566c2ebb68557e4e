import { execFile } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, rmSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Layout } from './layout.js';
import { diskFull, type FreeBytes } from './step-failure.js';

/*
 * The space of a download, taken before its first byte, so that nothing else on this disk can have it meanwhile: no backup, no other agent,
 * no other program. A file of that size whose blocks are allocated and not written; it gives back what the download is about to use. It lies
 * in `scratch`, which is emptied at every start: a killed agent leaves nothing behind.
 *
 * Linux by `fallocate`, Windows by the file's length. Where there is neither (macOS, a file system that cannot do it), space is only checked.
 */

export interface Reservation {
  /** So much is still to come. */
  left(bytes: number): void;
  release(): void;
}

const MIB = 2 ** 20;
/** Given back ahead of what is written: several writers are in the middle of something. */
const AHEAD_BYTES = 64 * MIB;

/** Throws DISK_FULL with the numbers when there is not so much. */
export async function reserveSpace(layout: Layout, bytes: number, freeBytes: FreeBytes): Promise<Reservation> {
  const file = join(layout.scratch, 'reserved-for-staging');
  let held = Math.max(0, bytes - AHEAD_BYTES);
  if (held > 0 && !(await allocate(file, held, freeBytes, bytes))) held = 0;
  return {
    left: (rest) => {
      const keep = Math.max(0, rest - AHEAD_BYTES);
      // Not for every chunk: each step is an operation of the file system.
      if (held === 0 || held - keep < AHEAD_BYTES / 2) return;
      truncateSync(file, keep);
      held = keep;
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** Whether the space is taken now. */
async function allocate(file: string, bytes: number, freeBytes: FreeBytes, needed: number): Promise<boolean> {
  if (process.platform === 'win32') return setLength(file, bytes);
  if (process.platform !== 'linux') return false;
  try {
    await promisify(execFile)('fallocate', ['-l', String(bytes), file], {
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    });
    return true;
  } catch (error) {
    rmSync(file, { force: true });
    const { stderr: said = '' } = error as { readonly stderr?: string };
    if (/no space left|quota/i.test(said)) throw diskFull(dirname(file), freeBytes(dirname(file)), needed, error);
    return false; // No such program, or a file system that cannot do it.
  }
}

function setLength(file: string, bytes: number): boolean {
  const fd = openSync(file, 'w');
  try {
    ftruncateSync(fd, bytes);
    return true;
  } finally {
    closeSync(fd);
  }
}
