import { sha256Hex } from '@lastcall/kernel';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { sampleRelease } from './testing/sample-release.js';
import { createStagingHost, type StagingHost } from './testing/staging-host.js';
import { sendRange, startRepository, type TestFile, type TestRepository } from './testing/tuf-repository.js';

/*
 * Everything that a server, a proxy or a line can do to a download, on real connections. Each time: a reason, nothing staged, nothing that was
 * not signed left on the disk, and when the fault is over the same host stages without fetching again what it has.
 */

const BIG = Buffer.alloc(700_000, 'lastcall ');
const bigFile: TestFile = { path: 'big.bin', mode: 0o644, bytes: BIG };
const BIG_URL = `/blobs/${sha256Hex(BIG)}`;
/** Quick, so that nothing has to be waited for. */
const PACE = { stalledMs: 150, minBytes: 1_000 };
const BOMB = gzipSync(Buffer.alloc(10_000_000));

type Fault = (request: IncomingMessage, response: ServerResponse) => void;

const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  (_, response) =>
    void response.writeHead(code, headers).end('sorry');

/** Writes for ever, as fast as it is read. */
function pour(response: ServerResponse, piece: Buffer): void {
  while (!response.destroyed && response.write(piece));
  if (!response.destroyed) response.once('drain', () => pour(response, piece));
}

/** A server that continues where it is asked to, and has only begun to answer. */
function beginRest(request: IncomingMessage, response: ServerResponse): ServerResponse {
  const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
  return response.writeHead(from > 0 ? 206 : 200, { 'content-length': BIG.byteLength - from });
}

const raw =
  (text: string): Fault =>
  (request) =>
    void request.socket.end(text);

const FAULTS: readonly (readonly [string, Fault, reason: string, words: string])[] = [
  ['500', status(500), 'DOWNLOAD_INCOMPLETE', 'HTTP 500'],
  ['502', status(502), 'DOWNLOAD_INCOMPLETE', 'HTTP 502'],
  ['503', status(503, { 'retry-after': '1' }), 'DOWNLOAD_INCOMPLETE', 'HTTP 503'],
  ['401', status(401), 'DOWNLOAD_INCOMPLETE', 'HTTP 401'],
  ['429', status(429), 'DOWNLOAD_INCOMPLETE', 'HTTP 429'],
  ['404', status(404), 'BLOB_NOT_FOUND', 'HTTP 404'],
  ['403', status(403), 'BLOB_NOT_FOUND', 'HTTP 403'],
  [
    'a redirect elsewhere',
    status(302, { location: 'http://example.invalid/x' }),
    'DOWNLOAD_INCOMPLETE',
    'not followed',
  ],
  ['no content', status(204), 'DOWNLOAD_INCOMPLETE', 'HTTP 204'],
  [
    'a part that nobody asked for',
    status(206, { 'content-range': 'bytes 9-13/700000' }),
    'DOWNLOAD_INCOMPLETE',
    'range',
  ],
  [
    'a part of another whole',
    (_, response) => void response.writeHead(206, { 'content-range': 'bytes 0-699999/800000' }).end(BIG),
    'DOWNLOAD_INCOMPLETE',
    'range',
  ],
  [
    'a compressed bomb',
    (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(BOMB),
    'DOWNLOAD_INCOMPLETE',
    'encoded',
  ],
  [
    'one byte changed',
    (_, response) => void response.end(Buffer.from(BIG).fill('x', 9, 10)),
    'BLOB_CHANGED',
    'refused',
  ],
  [
    'one byte more',
    (_, response) => void response.end(Buffer.concat([BIG, Buffer.from('!')])),
    'BLOB_CHANGED',
    'refused',
  ],
  ['never an end', (_, response) => pour(response, Buffer.alloc(64_000, 'lastcall ')), 'BLOB_CHANGED', 'refused'],
  [
    'fewer bytes than its length says',
    (_, response) => {
      response.writeHead(200, { 'content-length': BIG.byteLength });
      response.write(BIG.subarray(0, 1_000), () => response.destroy());
    },
    'DOWNLOAD_INCOMPLETE',
    'closed in the middle',
  ],
  [
    'a length that is too small',
    (_, response) => void response.writeHead(200, { 'content-length': 1_000 }).end(BIG.subarray(0, 1_000)),
    'DOWNLOAD_INCOMPLETE',
    '1000 of 700000',
  ],
  ['no answer', () => undefined, 'DOWNLOAD_INCOMPLETE', 'nothing arrived'],
  [
    'silence in the middle',
    (request, response) => void beginRest(request, response).write(BIG.subarray(0, 5_000)),
    'DOWNLOAD_INCOMPLETE',
    'nothing arrived',
  ],
  [
    'a slow drip',
    (request, response) => {
      beginRest(request, response);
      const drip = setInterval(() => response.write(BIG.subarray(0, 1)), 20);
      response.on('close', () => clearInterval(drip));
    },
    'DOWNLOAD_INCOMPLETE',
    'bytes arrived in',
  ],
  ['a connection that is closed at once', (request) => void request.socket.destroy(), 'DOWNLOAD_INCOMPLETE', 'closed'],
  ['a connection that is reset', (request) => void request.socket.resetAndDestroy(), 'DOWNLOAD_INCOMPLETE', 'RESET'],
  ['another protocol', raw('SSH-2.0-OpenSSH_9.2\r\n'), 'DOWNLOAD_INCOMPLETE', 'no HTTP'],
  ['a line without an end', raw(`HTTP/1.1 200 ${'x'.repeat(100_000)}`), 'DOWNLOAD_INCOMPLETE', 'no HTTP'],
  ['headers without an end', raw(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(5_000)}`), 'DOWNLOAD_INCOMPLETE', 'no HTTP'],
  [
    'a length that is no number',
    raw('HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n'),
    'DOWNLOAD_INCOMPLETE',
    'no HTTP',
  ],
  [
    'a chunk without a size',
    raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
    'DOWNLOAD_INCOMPLETE',
    'no HTTP',
  ],
];

let dir: string;
let repository: TestRepository;
let host: StagingHost;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-agent-'));
  repository = await startRepository('encore');
  repository.publish(sampleRelease('11.0.0', { files: [bigFile] }));
  host = await createStagingHost(dir, repository);
});
afterEach(async () => {
  await repository.close();
  rmSync(dir, { recursive: true, force: true });
});

const partOf = (bytes: Buffer): string => join(dir, 'blobs/partial', sha256Hex(bytes));
const fault = (url: RegExp, work: Fault): void => {
  repository.intercept = (request, response) => {
    if (!url.test(request.url ?? '')) return false;
    work(request, response);
    return true;
  };
};

describe('a blob is answered with', () => {
  it.each(FAULTS)('%s', async (_, work, reason, words) => {
    fault(new RegExp(BIG_URL), work);
    const impatient = await createStagingHost(dir, repository, words.includes('arrived') ? { pace: PACE } : {});
    const failure = await impatient.failure('11.0.0');
    expect(failure).toMatchObject({ reason, message: expect.stringContaining(words) });
    expect(await host.releases.isStaged('11.0.0')).toBe(false);
    expect(readdirSync(join(dir, 'versions'))).toEqual([]);
    expect(readdirSync(join(dir, 'scratch'))).toEqual([]);
    expect(existsSync(join(dir, 'blobs', sha256Hex(BIG).slice(0, 2), sha256Hex(BIG)))).toBe(false);
    const kept = existsSync(partOf(BIG)) ? statSync(partOf(BIG)).size : 0;
    expect(kept).toBeLessThanOrEqual(BIG.byteLength);
    repository.intercept = undefined;
    repository.requests.length = 0;
    await host.stage('11.0.0');
    expect(await host.releases.isStaged('11.0.0')).toBe(true);
    // The small files came with the first attempt or come now, but none of them twice.
    const again = repository.requests.filter((path) => path.startsWith('/blobs/') && path !== BIG_URL);
    expect(again.length).toBeLessThanOrEqual(4);
  });

  it('chunks, which is allowed', async () => {
    fault(new RegExp(BIG_URL), (_, response) => {
      response.write(BIG.subarray(0, 10));
      response.end(BIG.subarray(10));
    });
    await host.stage('11.0.0');
    expect(await host.releases.isStaged('11.0.0')).toBe(true);
  });

  it('an end instead of a length, which is allowed', async () => {
    fault(new RegExp(BIG_URL), (request) => {
      request.socket.write('HTTP/1.0 200 OK\r\n\r\n');
      request.socket.end(BIG);
    });
    await host.stage('11.0.0');
    expect(await host.releases.isStaged('11.0.0')).toBe(true);
  });
});

describe('a pack', () => {
  const PACK = /^\/packs\//;
  const blobRequests = (): number => repository.requests.filter((path) => path.startsWith('/blobs/')).length;

  it('brings the small files in one answer', async () => {
    await host.stage('11.0.0');
    expect(repository.requests.filter((path) => PACK.test(path))).toHaveLength(1);
    expect(blobRequests()).toBe(1);
  });

  it.each([
    ['is not there', status(404)],
    ['is forbidden', status(403)],
    ['is a failure of the server', status(500)],
    ['is not known to the server', status(405)],
    ['is that of another tree', (_, response) => void response.end(Buffer.alloc(5_000, 'x'))],
    ['is encoded', status(200, { 'content-encoding': 'br' })],
    [
      'is longer than it should be',
      (request, response) => {
        const bytes = repository.served.get(request.url ?? '') ?? Buffer.alloc(0);
        response.end(Buffer.concat([bytes, bytes]));
      },
    ],
  ])('that %s costs nothing but requests', async (_, work) => {
    fault(PACK, work);
    await host.stage('11.0.0');
    expect(
      await host.releases.findChanges(await host.releases.load('11.0.0'), true, AbortSignal.timeout(9_000)),
    ).toEqual([]);
  });

  it('that breaks off goes on where it was', async () => {
    let ranges: (string | undefined)[] = [];
    fault(PACK, (request, response) => {
      const bytes = repository.served.get(request.url ?? '') ?? Buffer.alloc(0);
      ranges.push(request.headers.range);
      if (ranges.length > 1) return sendRange(request, response, bytes);
      // All but the end of the last file.
      response.writeHead(200, { 'content-length': bytes.byteLength });
      response.write(bytes.subarray(0, -1), () => response.destroy());
    });
    expect(await host.stage('11.0.0')).toMatchObject({ kind: 'stage', fileCount: 5 });
    ranges = ranges.slice(0, 2);
    expect(ranges[0]).toBeUndefined();
    expect(Number(/\d+/.exec(ranges[1] ?? '')?.[0])).toBeGreaterThan(1_000);
    expect(blobRequests()).toBe(1);
  });

  it('that breaks off again and again is left alone', async () => {
    fault(PACK, (request) => void request.socket.destroy());
    await host.stage('11.0.0');
    expect(await host.releases.isStaged('11.0.0')).toBe(true);
    expect(blobRequests()).toBe(5);
  });
});
