import { isRejected, reject, type Rejected } from '@lastcall/kernel';
import { statfsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { lockDataFolder } from '../data-folder-lock.js';

/*
 * A folder that is there as a whole or not at all, also after a crash or a power cut: it is filled beside its place and renamed.
 * What a crash left beside it is removed by the next attempt; two attempts at the same time are refused.
 */

/** `fill` gets the folder to write to, and ends with every file synced. Answers what it answers. */
export async function writeWholeFolder<R extends object>(
  folder: string,
  fill: (draft: string) => Promise<R | Rejected>,
): Promise<R | Rejected> {
  const taken = await refuseTaken(folder);
  if (taken) return taken;
  const parent = dirname(folder);
  await mkdir(parent, { recursive: true });
  const draft = join(parent, `.${basename(folder)}.unfinished`);
  await mkdir(draft, { recursive: true, mode: 0o700 });
  const lock = lockDataFolder(draft);
  if (isRejected(lock)) return lock;
  try {
    for (const name of await readdir(draft)) if (name !== LOCK) await rm(join(draft, name), { recursive: true });
    const result = await fill(draft);
    if (isRejected(result)) return result;
    await rm(join(draft, LOCK), { force: true });
    await syncFolders(draft);
    await rename(draft, folder);
    await syncFolder(parent);
    return result;
  } catch (error) {
    throw withAdvice(error, folder);
  } finally {
    lock.release();
    await rm(draft, { recursive: true, force: true });
  }
}

/** Removes what a crash has left in `parent`: the drafts with such a name that nobody fills. */
export async function removeUnfinished(parent: string, isOurs: (name: string) => boolean): Promise<void> {
  for (const name of (await readdir(parent)).filter(isOurs)) {
    const lock = lockDataFolder(join(parent, name));
    if (isRejected(lock)) continue;
    lock.release();
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

const LOCK = 'up.lock';

/** An empty folder is as good as none. */
export async function refuseTaken(folder: string): Promise<Rejected | undefined> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.length === 0) return undefined;
  if (names.includes(LOCK)) {
    const lock = lockDataFolder(folder);
    if (isRejected(lock)) return lock;
    lock.release();
  }
  const message = `${folder} is not empty, and nothing in it is overwritten. Name a new folder, or move that one away.`;
  return reject('refused', 'FOLDER_NOT_EMPTY', message, { facts: { folder } });
}

function withAdvice(error: unknown, folder: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT' || isFullForSqlite(error, dirname(folder));
  if (isFull)
    return new Error(`the disk of ${folder} is full; nothing was left there. Free some space and repeat.`, {
      cause: error,
    });
  if (code !== 'EBUSY' && code !== 'EXDEV') return error;
  return new Error(`${folder} is where a disk is mounted, which cannot be replaced; name a folder inside it`, {
    cause: error,
  });
}

const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;
const NO_ROOM_BYTES = 1024 * 1024;

/** SQLite calls it an error of the disk where it meets the end of the room in a file beside the database. */
function isFullForSqlite(error: unknown, parent: string): boolean {
  const primary = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  if (primary !== SQLITE_IOERR) return primary === SQLITE_FULL;
  const { bavail, bsize } = statfsSync(parent);
  return bavail * bsize < NO_ROOM_BYTES;
}

async function syncFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncFolders(join(folder, entry.name));
  }
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
