import type { PackedBlob } from '@lastcall/contracts';
import { hash } from 'node:crypto';
import { HttpStatusError, WrongAnswerError } from './http-get.js';
import type { Transfer } from './transfer.js';

/*
 * One attempt at neighbours of a pack: each blob is hashed and kept as soon as it is complete.
 */

/** Answers of a server, mirror or proxy that has no packs, or another one. */
const NO_PACK: readonly number[] = [400, 403, 404, 405, 410, 416];

/** `no-pack`: there is none, or it is not the one of this tree; then each blob has to come by its name. Throws when it broke off. */
export async function fetchRun(
  blobs: readonly PackedBlob[],
  transfer: Transfer,
  onBlob: (blob: PackedBlob) => void,
): Promise<'complete' | 'no-pack'> {
  try {
    return await readRun(blobs, transfer, onBlob);
  } catch (error) {
    const isAbsent = error instanceof HttpStatusError && NO_PACK.includes(error.status);
    if (isAbsent || error instanceof WrongAnswerError) return 'no-pack';
    throw error;
  }
}

async function readRun(
  blobs: readonly PackedBlob[],
  { catalogUrl, connections, credential, limit, onBytes, packBytes, signal, treeSha256, blobs: store }: Transfer,
  onBlob: (blob: PackedBlob) => void,
): Promise<'complete' | 'no-pack'> {
  const [first, last] = [blobs[0] as PackedBlob, blobs.at(-1) as PackedBlob];
  const range = { start: first.offset, end: last.offset + last.size - 1, of: packBytes };
  let at = 0;
  // One buffer for all of them: each is written before the next one begins.
  const filling = Buffer.allocUnsafeSlow(Math.max(...blobs.map(({ size }) => size)));
  let filled = 0;
  for await (const chunk of connections.read(`${catalogUrl}/packs/${treeSha256}`, range, { credential, signal })) {
    for (let used = 0; used < chunk.byteLength;) {
      const blob = blobs[at];
      if (!blob) return 'no-pack'; // More than was asked for.
      const copied = chunk.copy(filling, filled, used, used + blob.size - filled);
      used += copied;
      filled += copied;
      if (filled < blob.size) continue;
      const bytes = filling.subarray(0, filled);
      if (hash('sha256', bytes) !== blob.sha256) return 'no-pack';
      store.keep(blob.sha256, bytes);
      onBytes(blob.size);
      onBlob(blob);
      at += 1;
      filled = 0;
    }
    await limit.take(chunk.byteLength, signal);
  }
  if (at === blobs.length) return 'complete';
  throw new Error(`${at} of ${blobs.length} files of a pack arrived`);
}
