import { mkdtemp, open, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '@lastcall/kernel';
import { openBlobs } from './blobs.js';
import { blobRoutes } from './http.js';

/** What the edge does around a route is tested in the runtime; here is the one answer that needs a device of its own. */
describe('a full disk', () => {
  let dir: string;
  let server: Server;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'http-'));
    // A real device that answers every write with ENOSPC.
    const blobs = await openBlobs({ dir, open: () => open('/dev/full', 'w') });
    const put = blobRoutes(blobs).find((route) => route.method === 'PUT');
    const { signal } = new AbortController();
    server = createServer((request, response) => {
      const rest = (request.url ?? '').replace('/blobs/', '');
      void put?.handle(request, response, { principal: undefined, signal, peer: '', rest });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true, force: true });
  });

  it('is said with its own status and in words', async () => {
    const body = 'bytes';
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/blobs/${sha256Hex(body)}`;
    const answer = await fetch(url, { method: 'PUT', body });
    expect(answer.status).toBe(507);
    expect(await answer.json()).toMatchObject({ reason: 'DISK_FULL', message: expect.stringContaining('is full') });
  });
});
