import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Copied {
  readonly bytes: number;
  readonly sha256: string;
}

const CHUNK_BYTES = 1024 * 1024;

/** Copies and hashes in one go; synced when it resolves. For the owner only. */
export async function copyFile(from: string, to: string): Promise<Copied> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const file = await open(to, 'wx', 0o600);
  try {
    const copied = await readThrough(from, async (chunk) => {
      for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
    });
    await file.sync();
    return copied;
  } finally {
    await file.close();
  }
}

/** Size and hash of what is in a file. */
export function hashFile(file: string): Promise<Copied> {
  return readThrough(file, async () => undefined);
}

async function readThrough(file: string, take: (chunk: Buffer) => Promise<void>): Promise<Copied> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    await take(chunk);
  }
  return { bytes, sha256: hash.digest('hex') };
}
