import { createHash, type Hash } from 'node:crypto';
import { closeSync, lstatSync, openSync, read, readlinkSync, readSync } from 'node:fs';
import { chmod, mkdir, open, readdir, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { sha256Hex } from '@lastcall/kernel';
import { StepFailure, throwIfStopping } from '../step-failure.js';
import type { ChunkCipher } from './backup-key.js';
import { readChunks, writeChunks, type ChunkedFile } from './chunked-file.js';
import { regroup, through } from './pieces.js';
import { END_OF_ARCHIVE, headerOf, paddingOf, readArchive, type ArchiveEntry } from './tar.js';

/*
 * A folder as one file and back: tar, zstd, chunks. Everything is streamed: what is in memory does not depend on how large the folder is, only on the number of
 * its files (their paths are sorted). What comes out is hashed on its way as it was on its way in, so that the same sum proves both.
 */

export interface Packed {
  /** Bytes of all files. */
  readonly sizeBytes: number;
  readonly fileCount: number;
  /** Over the sorted list of files: path, size, hash. */
  readonly sha256: string;
  readonly archive: ChunkedFile;
}

export interface Watch {
  readonly signal: AbortSignal;
  /** Bytes of files that are done. */
  readonly onBytes: (done: number) => void;
}

const LEVEL = 3;
const PIECE_BYTES = 2 ** 20;
const READ_BYTES = 512 * 1024;
const SMALL_BYTES = 256 * 1024;

/* No ZSTD_c_nbWorkers: with it Node 24 ends the stream before all of it has come out. One thread beside ours is as much as a backup should take anyway. */
const COMPRESSION = {
  chunkSize: READ_BYTES,
  // Otherwise it waits for us after every piece that comes out, and then we for it.
  readableHighWaterMark: 2 * PIECE_BYTES,
  params: {
    [constants.ZSTD_c_compressionLevel]: LEVEL,
    [constants.ZSTD_c_checksumFlag]: 1,
  },
};

/** Sum over what an archive holds, entry by entry in the order of their paths. */
class Contents {
  readonly #hash: Hash = createHash('sha256');
  #last = '';
  sizeBytes = 0;
  fileCount = 0;
  add({ kind, path, size, target }: ArchiveEntry, sha256: string): void {
    if (path <= this.#last) throw new Error(`${path} comes after ${this.#last}`);
    this.#last = path;
    this.sizeBytes += size;
    if (kind === 'file') this.fileCount += 1;
    if (kind === 'file') this.#hash.update(`${path}\0${size}\0${sha256}\n`);
    if (kind === 'link') this.#hash.update(`${path}\0link\0${sha256Hex(target)}\n`);
  }
  digest(): string {
    return this.#hash.digest('hex');
  }
}

export async function packFolder(
  dir: string,
  file: string,
  cipher: ChunkCipher | undefined,
  watch: Watch,
): Promise<Packed> {
  const contents = new Contents();
  const pieces = regroup(tarOf(dir, contents, watch), PIECE_BYTES);
  const archive = await writeChunks(through(pieces, createZstdCompress(COMPRESSION)), file, cipher);
  const { sizeBytes, fileCount } = contents;
  return { sizeBytes, fileCount, sha256: contents.digest(), archive };
}

async function* tarOf(dir: string, contents: Contents, { signal, onBytes }: Watch): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  for (const path of await sortedPaths(dir)) {
    throwIfStopping(signal);
    const entry = entryAt(dir, path);
    yield headerOf(entry);
    const hash = createHash('sha256');
    if (entry.kind === 'file') yield* bytesOf(join(dir, path), entry, hash, buffer, signal);
    contents.add(entry, hash.digest('hex'));
    onBytes(contents.sizeBytes);
  }
  yield END_OF_ARCHIVE;
}

/** Exactly as many as the header has said; a file that is still being written is no backup. */
async function* bytesOf(
  file: string,
  { size }: ArchiveEntry,
  hash: Hash,
  buffer: Buffer,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const fd = openSync(file, 'r');
  let done = 0;
  try {
    for (;;) {
      throwIfStopping(signal);
      // A small file is read while others would have been asked to read it.
      const count = size <= SMALL_BYTES ? readSync(fd, buffer) : await readAsync(fd, buffer);
      done += count;
      if (count === 0 || done > size) break;
      const piece = buffer.subarray(0, count);
      hash.update(piece);
      yield piece;
    }
  } finally {
    closeSync(fd);
  }
  if (done !== size) {
    const message = `${file} was changed while it was packed: the backup command has not written all when it ends`;
    throw new StepFailure('BACKUP_UNFINISHED', message, { path: file, expected_bytes: String(size) });
  }
  yield paddingOf(size);
}

function readAsync(fd: number, buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, null, (error, count) => (error ? reject(error) : resolve(count)));
  });
}

async function sortedPaths(dir: string): Promise<string[]> {
  const paths: string[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(dir, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      paths.push(path);
      if (entry.isDirectory()) await walk(path);
    }
  };
  await walk('');
  return paths.sort((a, b) => (a < b ? -1 : 1));
}

function entryAt(dir: string, path: string): ArchiveEntry {
  const file = join(dir, path);
  const stats = lstatSync(file);
  const common = { path, mode: stats.mode & 0o777, modifiedAt: stats.mtimeMs };
  if (stats.isFile()) return { kind: 'file', ...common, size: stats.size, target: '' };
  if (stats.isDirectory()) return { kind: 'folder', ...common, size: 0, target: '' };
  if (stats.isSymbolicLink()) return { kind: 'link', ...common, size: 0, target: readlinkSync(file) };
  const message = `${file} is neither a file nor a folder nor a link; the backup command must not leave it there`;
  throw new StepFailure('BACKUP_UNFINISHED', message, { path: file });
}

/**
 * Brings back what was packed, into an empty folder, and answers the sum over it. Throws DamagedBytes, or any error where an archive is not one of ours.
 * Nothing is synced.
 */
export async function unpackFolder(
  file: string,
  archive: ChunkedFile,
  dir: string,
  cipher: ChunkCipher | undefined,
  watch: Watch,
): Promise<string> {
  const contents = new Contents();
  const later: (() => Promise<void>)[] = [];
  const pieces = through(
    readChunks(file, archive, cipher, watch.signal),
    createZstdDecompress({ chunkSize: 64 * 1024 }),
  );
  await readArchive(pieces, async (entry, content) => {
    throwIfStopping(watch.signal);
    const path = join(dir, checkPath(entry.path));
    const sha256 = await make(entry, path, content, later);
    contents.add(entry, sha256);
    watch.onBytes(contents.sizeBytes);
  });
  // Links last, so that nothing is ever written through one; folders from the inside, when nothing more comes into them.
  for (const finish of later.reverse()) await finish();
  return contents.digest();
}

async function make(
  entry: ArchiveEntry,
  path: string,
  content: AsyncIterable<Buffer>,
  later: (() => Promise<void>)[],
): Promise<string> {
  const { kind, mode, target, modifiedAt } = entry;
  switch (kind) {
    case 'folder':
      await mkdir(path, { mode: 0o700 });
      // One that its owner may not write to could not be removed again.
      later.push(() => chmod(path, mode | 0o700));
      return '';
    case 'link':
      later.push(() => symlink(target, path));
      return '';
    case 'file': {
      const sha256 = await writeHashed(path, content);
      await chmod(path, mode);
      await utimes(path, modifiedAt / 1_000, modifiedAt / 1_000);
      return sha256;
    }
  }
}

async function writeHashed(path: string, content: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const piece of content) {
      hash.update(piece);
      await handle.writeFile(piece);
    }
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}

function checkPath(path: string): string {
  const parts = path.split('/');
  if (parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\0\\:]/.test(part))) return path;
  // On Linux a backslash and a colon are letters like others.
  if (process.platform !== 'win32' && parts.every((p) => p !== '' && p !== '.' && p !== '..')) return path;
  throw new Error(`the archive has a path that leads out of it: ${path}`);
}
