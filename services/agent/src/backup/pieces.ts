import type { Transform } from 'node:stream';

/*
 * Streams of pieces in bounded memory. A piece is good until the second one after it is asked for: buffers are used again, because with a new one for each piece
 * the collector of garbage takes more time than the reading.
 */

export type Pieces = AsyncIterable<Buffer>;

/** The same bytes in pieces of one size, however small they came. */
export async function* regroup(pieces: Pieces, pieceBytes: number): AsyncGenerator<Buffer> {
  // One is filled while the consumer has the other, and a third is what the consumer has not let go of yet.
  const buffers = [0, 1, 2].map(() => Buffer.allocUnsafeSlow(pieceBytes));
  let turn = 0;
  let filled = 0;
  const current = (): Buffer => buffers[turn % buffers.length] as Buffer;
  for await (const piece of pieces) {
    for (let taken = 0; taken < piece.length;) {
      const count = Math.min(piece.length - taken, pieceBytes - filled);
      piece.copy(current(), filled, taken, taken + count);
      taken += count;
      filled += count;
      if (filled < pieceBytes) continue;
      yield current();
      turn += 1;
      filled = 0;
    }
  }
  if (filled > 0) yield current().subarray(0, filled);
}

/** The pieces as the transform makes them. While it works on one, the next is made. */
export async function* through(pieces: Pieces, transform: Transform): AsyncGenerator<Buffer> {
  const feeding = feed(pieces, transform).catch((error: unknown) => {
    transform.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const made of transform) yield made as Buffer;
    await feeding;
  } finally {
    transform.destroy();
  }
}

async function feed(pieces: Pieces, transform: Transform): Promise<void> {
  let before: Promise<void> = Promise.resolve();
  for await (const piece of pieces) {
    await before;
    before = new Promise((resolve, reject) => {
      transform.write(piece, (error) => (error ? reject(error) : resolve()));
    });
    // Waited for in the next turn; whoever has been told the error by then is not told twice.
    before.catch(() => undefined);
  }
  await before;
  transform.end();
}

/** Smaller ones share their memory with others. */
const OWN_BYTES = 128 * 1024;

/**
 * Frees the memory behind a piece of a stream of node:zlib when it is the last one in it: by then the stream writes into the next. Left to the collector of garbage,
 * an agent with its heap spends as much time on that as on the compression.
 */
export function giveBack({ buffer, byteOffset, length }: Buffer): void {
  const isLastOf = byteOffset + length === buffer.byteLength;
  if (isLastOf && buffer.byteLength >= OWN_BYTES) (buffer as ArrayBuffer).transfer(0);
}
