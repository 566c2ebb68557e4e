import { mkdtemp, open, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '@lastcall/kernel';
import { blobPath, openBlobs, type BlobStore } from './blobs.js';

let dir: string;
let blobs: BlobStore;
const bytes = Buffer.from('the bytes of a blob');
const sha256 = sha256Hex(bytes);

async function* stream(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, 4);
  throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
}

/** All files below the folder that are no whole blob. */
async function leftovers(): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.tmp'));
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blobs-'));
  blobs = await openBlobs({ dir });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('blobs', () => {
  it('keeps what has the right hash', async () => {
    expect(await blobs.put(sha256, stream(bytes), bytes.length)).toEqual({ kind: 'stored', bytes: bytes.length });
    expect(await blobs.read(sha256)).toEqual(bytes);
    expect(await blobs.sizeOf(sha256)).toBe(bytes.length);
    expect(await blobs.put(sha256, stream('other'))).toEqual({ kind: 'present', bytes: bytes.length });
  });

  it('keeps an empty one', async () =>
    expect(await blobs.put(sha256Hex(''), stream(), 0)).toEqual({ kind: 'stored', bytes: 0 }));

  it.each([
    ['another hash', () => stream('changed'), undefined, 'sha256'],
    ['fewer bytes than announced', () => stream(bytes.subarray(0, 5)), bytes.length, 'content-length'],
    ['more bytes than announced', () => stream(bytes, 'x'), bytes.length, 'content-length'],
  ])('keeps nothing of %s', async (_, source, declared, field) => {
    expect(await blobs.put(sha256, source(), declared)).toMatchObject({ code: 'invalid', violations: [{ field }] });
    expect(await blobs.sizeOf(sha256)).toBeUndefined();
    expect(await leftovers()).toEqual([]);
  });

  it('keeps nothing of an upload that breaks off', async () => {
    await expect(blobs.put(sha256, broken())).rejects.toThrow('aborted');
    expect(await blobs.sizeOf(sha256)).toBeUndefined();
    expect(await leftovers()).toEqual([]);
  });

  it('takes the same blob from many at once', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => blobs.put(sha256, stream(bytes))));
    expect(results.every((result) => 'bytes' in result && result.bytes === bytes.length)).toBe(true);
    expect(await blobs.read(sha256)).toEqual(bytes);
    expect(await leftovers()).toEqual([]);
  });

  it('says in words that the disk is full', async () => {
    // A real device that answers every write with ENOSPC.
    const full = await openBlobs({ dir, open: () => open('/dev/full', 'w') });
    const failure = await full.put(sha256, stream(bytes)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ rejected: { reason: 'DISK_FULL' }, message: expect.stringContaining(dir) });
    expect(await full.sizeOf(sha256)).toBeUndefined();
  });

  it('removes what a process left that died long ago, and nothing that is being written', async () => {
    const [old, fresh] = [join(dir, 'incoming', '.old.tmp'), join(dir, 'incoming', '.fresh.tmp')];
    await Promise.all([writeFile(old, 'x'), writeFile(fresh, 'x')]);
    await utimes(old, new Date(0), new Date(0));
    await openBlobs({ dir });
    expect(await leftovers()).toEqual([join('incoming', '.fresh.tmp')]);
  });

  it('lies where its name says', async () => {
    await blobs.keep(bytes);
    expect(blobPath(dir, sha256)).toBe(join(dir, sha256.slice(0, 2), sha256));
  });
});
