import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { open, opendir, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

/*
 * What makes writes last: a file is whole or not there, and a name is on the disk before anything depends on it. All that must outlive a loss
 * of power goes through here, and can be watched: what was not synced by then may be gone.
 */

/** Something was done that a loss of power may undo, or that makes what was done before last. */
export type DiskWrite =
  | { readonly kind: 'written' | 'moved' | 'linked'; readonly path: string }
  /** The bytes of a file. */
  | { readonly kind: 'file-synced'; readonly path: string }
  /** The names in a folder. */
  | { readonly kind: 'folder-synced'; readonly path: string }
  /** A database says by itself what lasts. */
  | { readonly kind: 'committed'; readonly path: string };

let watcher: ((write: DiskWrite) => void) | undefined;

/** Answers what ends it. One at a time. */
export function watchWrites(onWrite: (write: DiskWrite) => void): () => void {
  watcher = onWrite;
  return () => {
    watcher = undefined;
  };
}

export function noteWrite(kind: DiskWrite['kind'], path: string): void {
  watcher?.({ kind, path });
}

/** Replaces a file; afterwards it is the old one or the new one, whatever happens meanwhile. */
export function writeFileDurably(path: string, data: string | Uint8Array, mode = 0o644): void {
  const next = `${path}.next`;
  const fd = openSync(next, 'w', mode);
  try {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let written = 0; written < bytes.byteLength;) written += writeSync(fd, bytes, written);
    noteWrite('written', next);
    fsyncSync(fd);
    noteWrite('file-synced', next);
  } finally {
    closeSync(fd);
  }
  renameSync(next, path);
  noteWrite('moved', path);
  syncFolder(dirname(path));
}

/** Moves a file or a folder within one file system; its new name is on the disk afterwards. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  noteWrite('moved', to);
  syncFolder(dirname(to));
}

/** Replaces a symbolic link: the rename is the moment, and it is on the disk afterwards. */
export async function linkDurably(link: string, target: string): Promise<void> {
  const next = `${link}.next`;
  await rm(next, { force: true });
  await symlink(target, next, 'dir');
  noteWrite('linked', next);
  await moveDurably(next, link);
}

/** Names in a folder are on the disk only after this. */
export function syncFolder(dir: string): void {
  // Windows has no handle for a folder and keeps names by itself.
  if (process.platform === 'win32') return;
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
    noteWrite('folder-synced', dir);
  } finally {
    closeSync(fd);
  }
}

export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
    noteWrite('file-synced', path);
  } finally {
    await handle.close();
  }
}

/** Every folder below and including this one, the deepest first. */
export async function syncFolders(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncFolders(join(dir, entry.name));
  }
  syncFolder(dir);
}

export interface HashedFile {
  readonly sha256: string;
  readonly bytes: number;
}

export async function hashFile(path: string, signal?: AbortSignal): Promise<HashedFile> {
  const hash = createHash('sha256');
  const bytes = await readInPieces(path, (piece) => hash.update(piece), signal);
  return { sha256: hash.digest('hex'), bytes };
}

const PIECE_BYTES = 256 * 1024;
/** Used again and again: with a new buffer for each piece the collector of garbage takes more time than the reading. */
const spareBuffers: Buffer[] = [];

/** Hands the file over piece by piece; a piece is good until `take` returns. Answers its length. */
export async function readInPieces(path: string, take: (piece: Buffer) => void, signal?: AbortSignal): Promise<number> {
  const buffer = spareBuffers.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
  const handle = await open(path, 'r');
  let bytes = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, PIECE_BYTES, bytes);
      if (bytesRead === 0) return bytes;
      take(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await handle.close();
    spareBuffers.push(buffer);
  }
}

/** Paths of all files below a folder, relative, with `/`, in no order. What is no file and no folder comes with them. */
export async function* walkFiles(dir: string, below = ''): AsyncGenerator<string> {
  for await (const entry of await opendir(join(dir, below))) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* walkFiles(dir, path);
    else yield path;
  }
}

/** The same, sorted by code units. */
export async function listFiles(dir: string): Promise<string[]> {
  const files: string[] = [];
  for await (const path of walkFiles(dir)) files.push(path);
  return files.toSorted((a, b) => (a < b ? -1 : 1));
}

/** Bytes of all files below a folder. A file that goes away meanwhile does not count. */
export async function folderBytes(dir: string): Promise<number> {
  let bytes = 0;
  for await (const path of walkFiles(dir)) {
    bytes += await stat(join(dir, path)).then(
      (s) => s.size,
      () => 0,
    );
  }
  return bytes;
}

/** So many operations on files are done in one go before others have their turn. */
const IN_ONE_GO = 128;

/**
 * Every file and folder below a folder, a folder after what is in it. Looked at in this thread: on a busy machine the way to another one and
 * back takes longer than the operation, and there are thousands of them.
 */
export async function* walkAtOnce(dir: string): AsyncGenerator<{ readonly path: string; readonly isFolder: boolean }> {
  let count = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* walkAtOnce(path);
    yield { path, isFolder: entry.isDirectory() };
    if (++count % IN_ONE_GO === 0) await setImmediate();
  }
}

/** A folder and all below it, where it is there. */
export async function removeFolder(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  for await (const { path, isFolder } of walkAtOnce(dir)) (isFolder ? rmdirSync : unlinkSync)(path);
  rmdirSync(dir);
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Runs the work over all items, a few at once; the first failure stops the rest and is thrown. */
export async function forEachAtOnce<T>(
  items: Iterable<T>,
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let next = queue.next(); !next.done && !failed; next = queue.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: width }, worker));
  const failure = results.find((r) => r.status === 'rejected');
  if (failure) throw failure.reason;
}
