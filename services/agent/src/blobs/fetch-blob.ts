import type { TreeEntry } from '@lastcall/contracts';
import { createHash, type Hash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { readInPieces } from '../files.js';
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
    bytes = await readInPieces(path, (piece) => hash.update(piece), signal);
    if (bytes < entry.size) bytes = await append(entry, handle, hash, bytes, transfer);
  } finally {
    await handle.close();
  }
  if (bytes < entry.size) throw new WrongAnswerError(`${bytes} of ${entry.size} bytes arrived`);
  if (bytes === entry.size && hash.digest('hex') === entry.sha256) {
    blobs.adopt(entry.sha256);
    return 'complete';
  }
  await rm(path, { force: true });
  onBytes(-Math.min(bytes, entry.size));
  return 'changed';
}

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
  try {
    for await (const piece of connections.read(url, range, { credential, signal })) {
      bytes += piece.byteLength;
      if (bytes > entry.size) return bytes;
      hash.update(piece);
      await handle.writeFile(piece);
      onBytes(piece.byteLength);
      await limit.take(piece.byteLength, signal);
    }
    return bytes;
  } catch (error) {
    if (error instanceof WrongAnswerError) await startAnew(handle, have, onBytes);
    throw error;
  }
}

/** The server does not continue downloads, or not where it was asked to. */
async function startAnew(handle: FileHandle, have: number, onBytes: (bytes: number) => void): Promise<void> {
  await handle.truncate(0);
  onBytes(-have);
}
