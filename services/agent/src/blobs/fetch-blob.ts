import type { TreeEntry } from '@lastcall/contracts';
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { WrongAnswerError } from './http-get.js';
import type { Transfer } from './transfer.js';

/*
 * One attempt at one blob, by its own name: what is there of it is hashed, what is missing is appended.
 */

/** `changed`: the bytes are not those that were signed, and were removed. Throws when it broke off. */
export async function fetchBlob(entry: TreeEntry, transfer: Transfer): Promise<'complete' | 'changed'> {
  const { blobs, onBytes, signal } = transfer;
  const path = blobs.partialPathOf(entry.sha256);
  const hash = createHash('sha256');
  const handle = await open(path, 'a');
  let bytes: number;
  try {
    bytes = await hashPartial(path, hash, signal);
    if (bytes < entry.size) bytes = await append(entry, handle, hash, bytes, transfer);
  } finally {
    await handle.close();
  }
  if (bytes < entry.size) throw new Error(`${bytes} of ${entry.size} bytes arrived`);
  if (bytes === entry.size && hash.digest('hex') === entry.sha256) {
    await blobs.adopt(entry.sha256);
    return 'complete';
  }
  await rm(path, { force: true });
  onBytes(-Math.min(bytes, entry.size));
  return 'changed';
}

async function hashPartial(path: string, hash: Hash, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024, signal })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).byteLength;
  }
  return bytes;
}

/** Written at once. Small enough for the memory of a host, large enough that the disk is asked rarely. */
const WRITE_BYTES = 512 * 1024;

/** Appends what is missing; answers the length afterwards, more than the file has when the answer is too long. */
async function append(
  entry: TreeEntry,
  handle: FileHandle,
  hash: Hash,
  have: number,
  { catalogUrl, connections, credential, signal, limit, onBytes }: Transfer,
): Promise<number> {
  const url = `${catalogUrl}/blobs/${entry.sha256}`;
  const range = { start: have, end: entry.size - 1, of: entry.size };
  let bytes = have;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const write = async (): Promise<void> => {
    await appendAll(handle, waiting, waitingBytes);
    onBytes(waitingBytes);
    waiting = [];
    waitingBytes = 0;
  };
  try {
    for await (const chunk of connections.read(url, range, { credential, signal })) {
      bytes += chunk.byteLength;
      if (bytes > entry.size) return bytes;
      hash.update(chunk);
      waiting.push(chunk);
      waitingBytes += chunk.byteLength;
      if (waitingBytes >= WRITE_BYTES) await write();
      await limit.take(chunk.byteLength, signal);
    }
    return bytes;
  } catch (error) {
    if (error instanceof WrongAnswerError) await startAnew(handle, have, onBytes);
    throw error;
  } finally {
    // What came before it broke off is kept too.
    await write();
  }
}

/** The server does not continue downloads, or not where it was asked to. */
async function startAnew(handle: FileHandle, have: number, onBytes: (bytes: number) => void): Promise<void> {
  await handle.truncate(0);
  onBytes(-have);
}

async function appendAll(handle: FileHandle, chunks: readonly Buffer[], bytes: number): Promise<void> {
  if (bytes === 0) return;
  const { bytesWritten } = await handle.writev(chunks);
  // A disk that is nearly full takes a part; the rest says why.
  if (bytesWritten < bytes) await handle.writeFile(Buffer.concat(chunks).subarray(bytesWritten));
}
