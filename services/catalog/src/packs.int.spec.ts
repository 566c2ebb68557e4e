import { formatTree, packOf, type TreeEntry } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobPath, openBlobs, type BlobStore } from './blobs.js';
import { packRoutes } from './http.js';
import { createPacks } from './packs.js';

/* Packs over real HTTP, of blobs on a real disk. What the edge does around a route is tested in the runtime. */

describe('a pack', () => {
  let dir: string;
  let blobs: BlobStore;
  let server: Server;
  let url: string;
  let contents: Buffer[];
  let whole: Buffer;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'packs-'));
    blobs = await openBlobs({ dir });
    const [route] = packRoutes(createPacks(blobs));
    const { signal } = new AbortController();
    server = createServer((request, response) => {
      const rest = (request.url ?? '').replace('/packs/', '');
      // The edge makes an error of it; a connection that breaks off is what a reader sees in the middle.
      route?.handle(request, response, { principal: undefined, signal, peer: '', rest })?.catch((error: unknown) => {
        const { rejected } = error as { rejected?: { code: string } };
        if (rejected) response.writeHead(rejected.code === 'not-found' ? 404 : 400).end();
        else response.destroy();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // Many buffers' worth, of sizes that never meet the end of a buffer.
    contents = Array.from({ length: 60 }, (_, i) => randomBytes(1 + ((i * 77_777) % 200_000)));
    const large = randomBytes(300_000);
    for (const bytes of [...contents, large]) await blobs.keep(bytes);
    const files = [...contents, large, contents[3] as Buffer].map((bytes, i): TreeEntry => ({
      path: `f${String(i).padStart(3, '0')}`,
      mode: 0o644,
      size: bytes.byteLength,
      sha256: sha256Hex(bytes),
    }));
    whole = Buffer.concat(contents);
    expect(packOf(files).totalBytes).toBe(whole.byteLength);
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/packs/${await blobs.keep(Buffer.from(formatTree({ files })))}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true, force: true });
  });

  const bytesOf = async (answer: Response): Promise<Buffer> => Buffer.from(await answer.arrayBuffer());

  it('is the small blobs of the tree, each once, in its order', async () => {
    const answer = await fetch(url);
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(whole.byteLength)]);
    expect(answer.headers.get('cache-control')).toContain('immutable');
    expect((await bytesOf(answer)).equals(whole)).toBe(true);
  });

  it.each([
    [0, 0],
    [1, 70_000],
    [77_000, 900_000],
    [1_000_000, 1_000_001],
  ])('gives the bytes %i to %i', async (start, end) => {
    const answer = await fetch(url, { headers: { range: `bytes=${start}-${end}` } });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([
      206,
      `bytes ${start}-${end}/${whole.byteLength}`,
    ]);
    expect((await bytesOf(answer)).equals(whole.subarray(start, end + 1))).toBe(true);
  });

  it('has no bytes after its end', async () => {
    const answer = await fetch(url, { headers: { range: `bytes=${whole.byteLength}-` } });
    expect(answer.status).toBe(416);
  });

  it('is the same for a reader that is much slower than the disk', async () => {
    const answer = await new Promise<IncomingMessage>((resolve) => get(url, resolve));
    const pieces: Buffer[] = [];
    for await (const piece of answer) {
      pieces.push(piece as Buffer);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
  });

  it('lets go of a reader that goes away', async () => {
    const stop = new AbortController();
    const answer = await fetch(url, { signal: stop.signal });
    await answer.body?.getReader().read();
    stop.abort();
    expect((await bytesOf(await fetch(url))).equals(whole)).toBe(true);
  });

  it('breaks off where a blob is not what it was, so that nobody takes half of it for all', async () => {
    await rm(blobPath(dir, sha256Hex(contents[40] as Buffer)));
    await expect(fetch(url).then(bytesOf)).rejects.toThrow();
  });

  it.each([
    ['a tree that is not here', () => Promise.resolve('a'.repeat(64)), 404],
    ['a blob that is no tree', () => blobs.keep(Buffer.from('{"files":[{"size":"x"}]}')), 404],
    ['no hash', () => Promise.resolve('latest'), 400],
  ])('of %s is refused', async (_, name, status) => {
    expect((await fetch(new URL(await name(), url))).status).toBe(status);
  });
});
