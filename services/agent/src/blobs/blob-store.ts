import type { TreeEntry } from '@lastcall/contracts';
import { execFile } from 'node:child_process';
import { chmodSync, constants, existsSync, linkSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { forEachAtOnce, hashFile, syncFile, syncFolder } from '../files.js';

/*
 * Bytes by their hash, `blobs/<two digits>/<hash>`, and downloads that are not complete, `blobs/partial/<hash>`. A blob gets its name only after it
 * was hashed; before it is used again it is hashed again, because a version that links it may have been changed in place, and because a
 * blob that was not synced yet may be torn by a crash or a power cut. What may not be on the disk yet is known here and synced together, before
 * anything is built of it and before what was built counts.
 */

export interface BlobStore {
  pathOf(sha256: string): string;
  partialPathOf(sha256: string): string;
  /** Whether the blob is here and still what its name says. One that is not is removed. */
  has(entry: Pick<TreeEntry, 'sha256' | 'size'>, signal: AbortSignal): Promise<boolean>;
  /** Bytes of a download that was interrupted. */
  partialBytes(sha256: string): Promise<number>;
  /** Keeps a small blob that was hashed, at once: handing it to another thread takes longer than writing it into the page cache. */
  keep(sha256: string, bytes: Uint8Array): void;
  /** Makes a partial download that is complete and was hashed the blob. */
  adopt(sha256: string): void;
  /** Lets the disk begin with what was kept and adopted so far, beside the network. Nothing may depend on it. */
  syncEarly(): Promise<void>;
  /** Blobs that were found here, kept, adopted or placed are on the disk after this, with their modes. */
  sync(): Promise<void>;
  /** Puts the blob at a path with this mode: a link where that is possible. */
  place(entry: TreeEntry, path: string): Promise<void>;
  /** Removes what none of these trees needs, downloads that were broken off included. */
  prune(needed: ReadonlySet<string>): Promise<void>;
}

export async function openBlobStore(dir: string): Promise<BlobStore> {
  const partial = join(dir, 'partial');
  await mkdir(partial, { recursive: true });
  const pathOf = (sha256: string): string => join(dir, sha256.slice(0, 2), sha256);
  const made = new Set<string>();
  const makeFolder = (folder: string): void => {
    // Not `recursive`, which says of a read-only disk that something is not there.
    if (!made.has(folder) && !existsSync(folder)) mkdirSync(folder);
    made.add(folder);
  };
  const unsynced = new Set<string>();
  const store: BlobStore = {
    pathOf,
    partialPathOf: (sha256) => join(partial, sha256),
    has: async ({ sha256, size }, signal) => {
      const path = pathOf(sha256);
      if (!(await isWhole(path, sha256, size, signal))) return false;
      // In no version yet: an agent that was killed may have left it, before it was synced.
      if ((await stat(path)).nlink === 1) unsynced.add(path);
      return true;
    },
    partialBytes: (sha256) => sizeOf(join(partial, sha256)),
    keep: (sha256, bytes) => {
      // Under its name at once: a rename for each of thousands costs more than it gives, as a torn one is found before it is used.
      makeFolder(dirname(pathOf(sha256)));
      unsynced.add(pathOf(sha256));
      writeFileSync(pathOf(sha256), bytes, { flag: 'wx' });
    },
    adopt: (sha256) => {
      makeFolder(dirname(pathOf(sha256)));
      renameSync(join(partial, sha256), pathOf(sha256));
      unsynced.add(pathOf(sha256));
    },
    syncEarly: async () => void (await syncFileSystem(dir)),
    sync: async () => {
      if (unsynced.size > 0) await sync(dir, [...unsynced]);
      unsynced.clear();
    },
    place: (entry, path) => place(pathOf(entry.sha256), entry.mode, path, unsynced),
    prune: (needed) => prune(dir, needed),
  };
  return store;
}

/** From so many files on it is quicker to have the whole file system written than to ask for each of them. */
const MANY_FILES = 64;
/** One after the other each would wait for the disk alone; some at once share the wait. */
const SYNCED_AT_ONCE = 8;

async function sync(dir: string, paths: readonly string[]): Promise<void> {
  if (paths.length >= MANY_FILES && (await syncFileSystem(dir))) return;
  await forEachAtOnce(paths, SYNCED_AT_ONCE, syncFile);
  for (const folder of new Set(paths.map(dirname))) syncFolder(folder);
  syncFolder(dir);
}

/** Whether that was possible: `syncfs` has no function in Node and a command on Linux. */
async function syncFileSystem(dir: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  return promisify(execFile)('sync', ['-f', dir]).then(
    () => true,
    () => false,
  );
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (s) => s.size,
    () => 0,
  );
}

async function isWhole(path: string, sha256: string, size: number, signal: AbortSignal): Promise<boolean> {
  // Not handed to another thread: of a first version 100,000 are asked for, and none is here.
  if (!existsSync(path)) return false;
  const found = await hashFile(path, signal);
  if (found.sha256 === sha256 && found.bytes === size) return true;
  await rm(path, { force: true });
  return false;
}

/** All links of a file have one mode. The first user of a blob sets it; who needs another one gets a copy. */
async function place(blob: string, mode: number, path: string, unsynced: Set<string>): Promise<void> {
  // Not handed to other threads: each of the three takes less time than that.
  const { mode: found, nlink } = statSync(blob);
  const hasOtherMode = (found & 0o777) !== mode;
  if (hasOtherMode && nlink > 1) return copy(blob, mode, path);
  if (hasOtherMode) {
    chmodSync(blob, mode);
    unsynced.add(blob);
  }
  try {
    linkSync(blob, path);
  } catch (error) {
    // Too many links, or a file system without them.
    if (!['EMLINK', 'EPERM', 'ENOTSUP', 'EXDEV'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await copy(blob, mode, path);
  }
}

async function copy(blob: string, mode: number, path: string): Promise<void> {
  // A clone shares the bytes where the file system can do that.
  await copyFile(blob, path, constants.COPYFILE_FICLONE);
  await chmod(path, mode);
  await syncFile(path);
}

async function prune(dir: string, needed: ReadonlySet<string>): Promise<void> {
  for (const folder of await readdir(dir)) {
    for (const name of await readdir(join(dir, folder))) {
      if (!needed.has(name)) await rm(join(dir, folder, name), { force: true });
    }
  }
}
