import { createHash } from 'node:crypto';
import { createReadStream, type ReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Defect, invalid, isRejected, sha256Hex, type Rejected } from '@lastcall/kernel';
import { besides, withoutSpace, moveIntoPlace, readIfThere, type OpenFile } from './files.js';

/*
 * Blobs: bytes named by their SHA-256, in `<dir>/<two digits>/<hash>`. Owns that a name never stands for other bytes: they are hashed
 * and counted while they are written to a temporary file, which gets its name only when both are right; how large an upload may be is the
 * edge's limit (LASTCALL_MAX_UPLOAD_BYTES). A blob never changes and is never overwritten by something else, so any number of writers of the same one are harmless.
 */

export interface BlobStore {
  /** Bytes, or undefined when it is not here. */
  sizeOf(sha256: string): Promise<number | undefined>;
  /** The whole blob; for small ones. */
  read(sha256: string): Promise<Buffer | undefined>;
  /** Fills the buffer with the bytes from there on. False when there are not so many. */
  readInto(sha256: string, from: number, into: Buffer): Promise<boolean>;
  /** Streams it, `range` inclusive on both ends. */
  stream(sha256: string, range?: { readonly start: number; readonly end: number }): ReadStream;
  /** Stores what arrives under this hash, if it is that. Answers whether it was new. */
  put(sha256: string, source: AsyncIterable<Uint8Array>, declaredBytes?: number): Promise<PutResult | Rejected>;
  /** Stores bytes that were made here; answers their hash. */
  keep(bytes: Uint8Array): Promise<string>;
}

export interface PutResult {
  readonly kind: 'stored' | 'present';
  readonly bytes: number;
}

export interface BlobOptions {
  readonly dir: string;
  readonly open?: OpenFile;
}

/** A temporary file that is older than this was left by a process that died. */
const ABANDONED_MS = 24 * 60 * 60 * 1_000;
/** Read at once while a blob is sent. */
const STREAM_BYTES = 256 * 1024;
const HASH = /^[0-9a-f]{64}$/;

export function isBlobName(text: string): boolean {
  return HASH.test(text);
}

export async function openBlobs(options: BlobOptions): Promise<BlobStore> {
  const incoming = join(options.dir, 'incoming');
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  await removeAbandoned(incoming);
  const pathOf = (sha256: string): string => blobPath(options.dir, sha256);
  const store: BlobStore = {
    sizeOf: async (sha256) => sizeOf(pathOf(sha256)),
    read: (sha256) => readIfThere(pathOf(sha256)),
    readInto: (sha256, from, into) => readInto(pathOf(sha256), from, into),
    stream: (sha256, range) => createReadStream(pathOf(sha256), { ...range, highWaterMark: STREAM_BYTES }),
    put: async (sha256, source, declaredBytes) => {
      const present = await store.sizeOf(sha256);
      if (present !== undefined) return { kind: 'present', bytes: present };
      const temporary = besides(join(incoming, sha256));
      try {
        const written = await writeHashed(temporary, source, options.open ?? open);
        const wrong = checkWritten(written, sha256, declaredBytes);
        if (wrong) return wrong;
        await moveIntoPlace(temporary, pathOf(sha256));
        return { kind: 'stored', bytes: written.bytes };
      } catch (error) {
        throw withoutSpace(error, options.dir);
      } finally {
        await rm(temporary, { force: true });
      }
    },
    keep: async (bytes) => {
      const sha256 = sha256Hex(bytes);
      const result = await store.put(sha256, chunks(bytes));
      if (isRejected(result)) throw new Defect(result.message);
      return sha256;
    },
  };
  return store;
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readInto(path: string, from: number, into: Buffer): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    let bytes = 0;
    while (bytes < into.byteLength) {
      const { bytesRead } = await file.read(into, bytes, into.byteLength - bytes, from + bytes);
      if (bytesRead === 0) return false;
      bytes += bytesRead;
    }
    return true;
  } finally {
    await file.close();
  }
}

interface Written {
  readonly bytes: number;
  readonly sha256: string;
}

/** Writes, hashes and counts. */
async function writeHashed(path: string, source: AsyncIterable<Uint8Array>, openFile: OpenFile): Promise<Written> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await openFile(path, 'wx', 0o644);
  try {
    for await (const chunk of source) {
      bytes += chunk.byteLength;
      hash.update(chunk);
      await writeAll(file, chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** `write` may take less than it is given. */
async function writeAll(file: Awaited<ReturnType<OpenFile>>, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < chunk.byteLength) offset += (await file.write(chunk, offset)).bytesWritten;
}

function checkWritten(written: Written, sha256: string, declaredBytes: number | undefined): Rejected | undefined {
  if (declaredBytes !== undefined && declaredBytes !== written.bytes) {
    const description = `says ${declaredBytes}, and ${written.bytes} bytes arrived; send them again`;
    return invalid([{ field: 'content-length', description }]);
  }
  if (written.sha256 === sha256) return undefined;
  const description = `is ${sha256}, and the bytes that arrived have ${written.sha256}; they were changed on the way or since they were hashed`;
  return invalid([{ field: 'sha256', description }]);
}

async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path);
    if (mtimeMs < Date.now() - ABANDONED_MS) await rm(path, { force: true });
  }
}

/** Where a blob lies. */
export function blobPath(dir: string, sha256: string): string {
  return join(dir, sha256.slice(0, 2), sha256);
}
