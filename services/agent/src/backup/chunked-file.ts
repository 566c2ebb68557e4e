import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { hashFile } from '../files.js';
import { throwIfStopping } from '../step-failure.js';
import { TAG_BYTES, type ChunkCipher } from './backup-key.js';
import { giveBack, type Pieces } from './pieces.js';

/*
 * A file in chunks, with the SHA-256 of each in a list beside it: what is read was checked first, and where the file is damaged can be said. With a
 * cipher a chunk is what was sealed. One chunk is in memory and what is on its way, however long file and list are.
 */

const CHUNK_BYTES = 2 ** 20;
const HASH_BYTES = 32;
/** Of the list, read and written at once. */
const BLOCK_HASHES = 2_048;

export interface ChunkedFile {
  readonly bytes: number;
  /** Of each chunk but the last. */
  readonly chunkBytes: number;
  /** Of the list. */
  readonly listSha256: string;
}

/** Beside the file: the hashes of its chunks one after the other, 32 bytes each. */
export function listOf(path: string): string {
  return `${path}.chunks`;
}

/** Bytes that are not what was written. */
export class DamagedBytes extends Error {
  override readonly name = 'DamagedBytes';
  constructor(
    readonly from: number,
    readonly to: number,
    options?: { cause?: unknown },
  ) {
    super(`bytes ${from} to ${to} are not what was written`, options);
  }
}

/** Writes a new file and its list; neither is synced. The pieces are a compression's own, and are gone afterwards. */
export async function writeChunks(pieces: Pieces, path: string, cipher: ChunkCipher | undefined): Promise<ChunkedFile> {
  const handle = await open(path, 'wx', 0o600);
  const list = await createHashList(listOf(path));
  let bytes = 0;
  const write = async (chunk: Buffer, index: number, isLast: boolean): Promise<void> => {
    const hash = createHash('sha256');
    for (const slice of cipher ? cipher.seal(index, isLast, chunk) : [chunk]) {
      hash.update(slice);
      await writeFully(handle, slice);
      bytes += slice.length;
    }
    await list.add(hash.digest());
  };
  try {
    await forEachChunk(pieces, write);
    const listSha256 = await list.finish();
    return { bytes, chunkBytes: CHUNK_BYTES + (cipher ? TAG_BYTES : 0), listSha256 };
  } finally {
    await Promise.all([handle.close(), list.close()]);
  }
}

/** Calls with one buffer that is used again; the last chunk, and only that one, may be shorter. */
async function forEachChunk(
  pieces: Pieces,
  write: (chunk: Buffer, index: number, isLast: boolean) => Promise<void>,
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let filled = 0;
  let index = 0;
  for await (const piece of pieces) {
    const { length } = piece;
    for (let taken = 0; taken < length;) {
      // Not before: a chunk has to know whether it is the last.
      if (filled === CHUNK_BYTES) {
        await write(buffer, index++, false);
        filled = 0;
      }
      const count = piece.copy(buffer, filled, taken);
      taken += count;
      filled += count;
    }
    giveBack(piece);
  }
  await write(buffer.subarray(0, filled), index, true);
}

/** In one go: `writeFile` goes there and back for each 512 KiB. */
async function writeFully(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}

async function createHashList(path: string) {
  const handle = await open(path, 'wx', 0o600);
  const sum = createHash('sha256');
  let waiting: Buffer[] = [];
  const flush = async (): Promise<void> => {
    const block = Buffer.concat(waiting);
    waiting = [];
    sum.update(block);
    await handle.writeFile(block);
  };
  return {
    add: async (hash: Buffer): Promise<void> => {
      waiting.push(hash);
      if (waiting.length >= BLOCK_HASHES) await flush();
    },
    /** Answers the hash of the list. */
    finish: async (): Promise<string> => {
      await flush();
      return sum.digest('hex');
    },
    close: () => handle.close(),
  };
}

interface Chunk {
  readonly index: number;
  readonly isLast: boolean;
  readonly bytes: Buffer;
}

/** What was written, in chunks that have been checked; a chunk is good until the second one after it is asked for. Throws DamagedBytes. */
export async function* readChunks(
  path: string,
  file: ChunkedFile,
  cipher: ChunkCipher | undefined,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunksOf(path, file, signal)) {
    if (chunk instanceof DamagedBytes) throw chunk;
    yield cipher ? opened(cipher, file, chunk) : chunk.bytes;
  }
}

/** Every damaged part; what is inside is not looked at. */
export async function findDamage(path: string, file: ChunkedFile, signal: AbortSignal): Promise<DamagedBytes[]> {
  const found: DamagedBytes[] = [];
  for await (const chunk of chunksOf(path, file, signal)) if (chunk instanceof DamagedBytes) found.push(chunk);
  return found;
}

async function* chunksOf(path: string, file: ChunkedFile, signal: AbortSignal): AsyncGenerator<Chunk | DamagedBytes> {
  // Without the right list nothing can be said about any part.
  const isListWhole = (await hashFile(listOf(path), signal)).sha256 === file.listSha256;
  if (!isListWhole) {
    yield new DamagedBytes(0, file.bytes - 1);
    return;
  }
  const handle = await open(path, 'r');
  const list = await open(listOf(path), 'r');
  // One is being worked on while the next is read.
  const buffers = [0, 1, 2].map(() => Buffer.allocUnsafeSlow(file.chunkBytes));
  const count = Math.ceil(file.bytes / file.chunkBytes);
  let hashes: Buffer = Buffer.alloc(0);
  try {
    for (let index = 0; index < count; index++) {
      throwIfStopping(signal);
      const inBlock = index % BLOCK_HASHES;
      if (inBlock === 0) hashes = await readBlock(list, index);
      const bytes = await readChunk(handle, file, index, buffers[index % buffers.length] as Buffer);
      const expected = hashes.subarray(inBlock * HASH_BYTES, (inBlock + 1) * HASH_BYTES);
      const isWhole = createHash('sha256').update(bytes).digest().equals(expected);
      yield isWhole ? { index, isLast: index === count - 1, bytes } : damaged(file, index);
    }
    const { size } = await handle.stat();
    if (size > file.bytes) yield new DamagedBytes(file.bytes, size - 1);
  } finally {
    await Promise.all([handle.close(), list.close()]);
  }
}

async function readBlock(list: FileHandle, index: number): Promise<Buffer> {
  const block = Buffer.alloc(BLOCK_HASHES * HASH_BYTES);
  const { bytesRead } = await list.read(block, 0, block.length, index * HASH_BYTES);
  return block.subarray(0, bytesRead);
}

/** Shorter than it should be where the file ends too early. */
async function readChunk(handle: FileHandle, file: ChunkedFile, index: number, buffer: Buffer): Promise<Buffer> {
  const from = index * file.chunkBytes;
  const length = Math.min(file.chunkBytes, file.bytes - from);
  let got = 0;
  while (got < length) {
    const { bytesRead } = await handle.read(buffer, got, length - got, from + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return buffer.subarray(0, got);
}

function opened(cipher: ChunkCipher, file: ChunkedFile, { index, isLast, bytes }: Chunk): Buffer {
  try {
    return cipher.open(index, isLast, bytes);
  } catch (cause) {
    throw damaged(file, index, cause);
  }
}

function damaged({ chunkBytes, bytes }: ChunkedFile, index: number, cause?: unknown): DamagedBytes {
  return new DamagedBytes(index * chunkBytes, Math.min((index + 1) * chunkBytes, bytes) - 1, { cause });
}
