import { sha256Hex } from '@lastcall/kernel';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { uploadBlobs, type Blob } from './upload-blobs.js';

const blob = (text: string): Blob => ({ sha256: sha256Hex(text), size: text.length, source: Buffer.from(text) });

describe('uploading', () => {
  const toClose: (() => void)[] = [];
  afterEach(() => toClose.splice(0).forEach((close) => close()));

  async function serve(handler: RequestListener) {
    const server = createServer(handler);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    toClose.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    return { address: '', credential: () => 'secret', catalogUrl: `http://127.0.0.1:${port}` };
  }

  it('sends each blob under its name with the credential, and counts', async () => {
    const got = new Map<string, string>();
    const connection = await serve((request, response) => {
      void request.toArray().then((chunks) => {
        got.set(`${request.method} ${request.url} ${request.headers.authorization}`, Buffer.concat(chunks as Buffer[]).toString()); // prettier-ignore
        response.writeHead(201).end();
      });
    });
    const blobs = Array.from({ length: 20 }, (_, i) => blob(`blob ${i}`));
    let sent = 0;
    await uploadBlobs(connection, blobs, (bytes) => (sent += bytes));
    expect(got.size).toBe(20);
    expect(got.get(`PUT /blobs/${sha256Hex('blob 7')} Bearer secret`)).toBe('blob 7');
    expect(sent).toBe(blobs.reduce((sum, b) => sum + b.size, 0));
  });

  it('sends again after a failure that may pass, and the count stays right', async () => {
    let calls = 0;
    const connection = await serve((request, response) => {
      request.resume().on('end', () => response.writeHead(++calls === 1 ? 503 : 201).end());
    });
    let sent = 0;
    await uploadBlobs(connection, [blob('x')], (bytes) => (sent += bytes));
    expect([calls, sent]).toEqual([2, 1]);
  });

  it('gives up at a refusal and says what the server said', async () => {
    let calls = 0;
    const connection = await serve((_, response) => {
      calls++;
      response.writeHead(507).end(JSON.stringify({ reason: 'DISK_FULL', message: 'the disk is full' }));
    });
    await expect(uploadBlobs(connection, [blob('x')], () => {})).rejects.toMatchObject({
      code: 9,
      reason: 'DISK_FULL',
      message: expect.stringContaining('the disk is full'),
    });
    expect(calls).toBe(1);
  });
});
