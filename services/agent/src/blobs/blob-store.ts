import type { TreeEntry } from '@lastcall/contracts';
import { chmod, copyFile, link, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, hashFile, syncFile } from '../files.js';

/*
 * Bytes by their hash, `blobs/<two digits>/<hash>`, and downloads that are not complete, `blobs/partial/<hash>`. A blob gets its name only after it
 * was hashed; before it is used again it is hashed again, because a version that links it may have been changed in place.
 */

export interface BlobStore {
  pathOf(sha256: string): string;
  partialPathOf(sha256: string): string;
  /** Whether the blob is here and still what its name says. One that is not is removed. */
  has(entry: Pick<TreeEntry, 'sha256' | 'size'>, signal: AbortSignal): Promise<boolean>;
  /** Bytes of a download that was interrupted. */
  partialBytes(sha256: string): Promise<number>;
  /** Puts the blob at a path with this mode: a link where that is possible. */
  place(entry: TreeEntry, path: string): Promise<void>;
  /** Removes what none of these trees needs. */
  prune(needed: ReadonlySet<string>): Promise<void>;
}

export async function openBlobStore(dir: string): Promise<BlobStore> {
  const partial = join(dir, 'partial');
  await mkdir(partial, { recursive: true });
  const pathOf = (sha256: string): string => join(dir, sha256.slice(0, 2), sha256);
  return {
    pathOf,
    partialPathOf: (sha256) => join(partial, sha256),
    has: ({ sha256, size }, signal) => isWhole(pathOf(sha256), sha256, size, signal),
    partialBytes: (sha256) => sizeOf(join(partial, sha256)),
    place: (entry, path) => place(pathOf(entry.sha256), entry.mode, path),
    prune: (needed) => prune(dir, needed),
  };
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (s) => s.size,
    () => 0,
  );
}

async function isWhole(path: string, sha256: string, size: number, signal: AbortSignal): Promise<boolean> {
  if (!(await exists(path))) return false;
  const found = await hashFile(path, signal);
  if (found.sha256 === sha256 && found.bytes === size) return true;
  await rm(path, { force: true });
  return false;
}

/** All links of a file have one mode. The first user of a blob sets it; who needs another one gets a copy. */
async function place(blob: string, mode: number, path: string): Promise<void> {
  const { mode: found, nlink } = await stat(blob);
  if ((found & 0o777) !== mode && nlink === 1) await chmod(blob, mode);
  else if ((found & 0o777) !== mode) return copy(blob, mode, path);
  try {
    await link(blob, path);
  } catch (error) {
    // Too many links, or a file system without them.
    if (!['EMLINK', 'EPERM', 'ENOTSUP', 'EXDEV'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await copy(blob, mode, path);
  }
}

async function copy(blob: string, mode: number, path: string): Promise<void> {
  await copyFile(blob, path);
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
