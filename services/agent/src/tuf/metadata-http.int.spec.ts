import { Buffer } from 'node:buffer';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FETCH_LIMITS } from '@lastcall/trust/client';
import { layoutOf, type Layout } from '../layout.js';
import { answerFor, endless, PRODUCT, publishTwice, WANTED } from '../testing/attacks.js';
import { failureOf } from '../testing/failure-of.js';
import { startRepository, type Intercept, type TestRepository } from '../testing/tuf-repository.js';
import { createReleaseSource, pinRoot, type ReleaseSourceOptions } from './release-source.js';

/*
 * How metadata may come over HTTP: everything that a server, a proxy or a line can do wrong, each with its code, and the host as before.
 */

const TIMESTAMP = '/tuf/timestamp.json';
const never = new AbortController().signal;

let repository: TestRepository;
let stranger: Server;
let strangerSaw: string[];
let template: Layout;
let layout: Layout;

beforeAll(async () => {
  repository = await startRepository(PRODUCT);
  publishTwice(repository);
  stranger = createServer((request, response) => {
    strangerSaw.push(`${request.url} ${request.headers.authorization}`);
    response.end(repository.served.get(TIMESTAMP));
  });
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  template = layoutOf(mkdtempSync(join(tmpdir(), 'lastcall-http-')));
  pinRoot(template, repository.root);
  await fetchWanted({ layout: template });
  repository.sign();
});
afterAll(async () => {
  stranger.closeAllConnections();
  stranger.close();
  await repository.close();
  rmSync(template.root, { recursive: true, force: true });
});
beforeEach(() => {
  strangerSaw = [];
  layout = layoutOf(mkdtempSync(join(tmpdir(), 'lastcall-http-')));
  cpSync(template.root, layout.root, { recursive: true });
});
afterEach(() => {
  repository.intercept = undefined;
  rmSync(layout.root, { recursive: true, force: true });
});

function fetchWanted(more: Partial<ReleaseSourceOptions> = {}) {
  return fetchAsInEarnest({ attempts: 2, ...more });
}

function fetchAsInEarnest(more: Partial<ReleaseSourceOptions> = {}) {
  const source = createReleaseSource({
    ...{ layout, catalogUrl: () => repository.url, credential: () => 'eyJ-secret', role: 'server', platforms: ['any'] },
    ...more,
  });
  return source.fetchRelease(PRODUCT, WANTED, never);
}

const state = (): string => readFileSync(join(layout.tuf, 'trusted.json'), 'utf8');
const timestamp = (): Buffer => repository.served.get(TIMESTAMP) as Buffer;
const whole = (body: string | Buffer, headers: Record<string, string> = {}): Intercept => {
  return (_, response) => Boolean(response.writeHead(200, headers).end(body));
};
const status = (code: number, headers: Record<string, string> = {}): Intercept => {
  return (_, response) => Boolean(response.writeHead(code, headers).end('no'));
};

/** One byte after the other. */
const drip: Intercept = (_, response) => {
  const bytes = timestamp();
  let sent = 0;
  response.writeHead(200, { 'content-length': bytes.byteLength });
  const timer = setInterval(() => response.write(bytes.subarray(sent, ++sent)), 20);
  response.on('close', () => clearInterval(timer));
  return true;
};

function cutOff(response: ServerResponse): boolean {
  response.writeHead(200, { 'content-length': timestamp().byteLength });
  response.write(timestamp().subarray(0, 20), () => response.destroy());
  return true;
}

const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));

const ANSWERS: readonly (readonly [string, Intercept, string, RegExp])[] = [
  ['less than was announced', (_, response) => cutOff(response), 'CATALOG_NOT_REACHABLE', /terminated|aborted|closed/],
  [
    'cut to the length that is announced',
    (_, r) => Boolean(r.writeHead(200, { 'content-length': 20 }).end(timestamp().subarray(0, 20))),
    'METADATA_MALFORMED',
    /not JSON/,
  ],
  [
    'a range that was not asked for',
    (_, r) => Boolean(r.writeHead(206, { 'content-range': `bytes 0-9/${timestamp().byteLength}` }).end('0123456789')),
    'CATALOG_NOT_REACHABLE',
    /HTTP 206/,
  ],
  ['nothing', (_, r) => Boolean(r.writeHead(204).end()), 'CATALOG_NOT_REACHABLE', /HTTP 204/],
  ['an empty file', whole(''), 'METADATA_MALFORMED', /not JSON/],
  [
    'the page of a hotel',
    whole('<html>Welcome to our network</html>', { 'content-type': 'text/html' }),
    'METADATA_MALFORMED',
    /not JSON/,
  ],
  ['text in another encoding', whole(Buffer.from('{"signatures":"ü"}', 'latin1')), 'METADATA_MALFORMED', /UTF-8/],
  [
    'a mark before the text',
    (_, r) => Boolean(r.end(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), timestamp()]))),
    'METADATA_MALFORMED',
    /not JSON/,
  ],
  ['more and more', endless, 'METADATA_TOO_LONG', /16384 bytes/],
  ['a compressed bomb', whole(bomb, { 'content-encoding': 'gzip' }), 'METADATA_TOO_LONG', /16384 bytes/],
  ['one byte after the other', drip, 'CATALOG_TOO_SLOW', /too slowly/],
  ['a connection that is taken and never answered', () => true, 'CATALOG_TOO_SLOW', /0 bytes in 0.4 s/],
  [
    'a connection that is closed',
    (request) => Boolean(request.socket.destroy()),
    'CATALOG_NOT_REACHABLE',
    /socket|closed|ECONNRESET/,
  ],
  [
    'bytes that are no HTTP',
    (request) => Boolean(request.socket.end('SSH-2.0-OpenSSH_9.2\r\n')),
    'CATALOG_NOT_REACHABLE',
    /./,
  ],
  ['HTTP 400', status(400), 'CATALOG_NOT_REACHABLE', /HTTP 400/],
  ['HTTP 401 all the time', status(401), 'CATALOG_NOT_REACHABLE', /HTTP 401/],
  ['HTTP 403', status(403), 'METADATA_NOT_FOUND', /not served/],
  ['HTTP 404', status(404), 'METADATA_NOT_FOUND', /not served/],
  ['HTTP 429 all the time', status(429), 'CATALOG_NOT_REACHABLE', /HTTP 429/],
  ['HTTP 500 all the time', status(500), 'CATALOG_NOT_REACHABLE', /HTTP 500/],
  ['HTTP 503 all the time', status(503), 'CATALOG_NOT_REACHABLE', /HTTP 503/],
];

describe('metadata over HTTP', () => {
  it.each(ANSWERS)('%s', async (_name, answer, reason, words) => {
    const before = state();
    repository.intercept = answerFor(TIMESTAMP, answer);
    const isSlow = reason === 'CATALOG_TOO_SLOW';
    const failure = await failureOf(fetchWanted(isSlow ? { pace: { windowMs: 400, minBytes: 100 } } : {}));
    expect(failure.reason).toBe(reason);
    expect(failure.message).toMatch(words);
    expect(JSON.stringify(failure)).not.toContain('eyJ-secret');
    expect(state()).toBe(before);
  });

  it.each([301, 302, 303, 307, 308])(
    'a redirection (%s) is not followed, and the credential goes nowhere',
    async (code) => {
      const elsewhere = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/timestamp.json`;
      repository.intercept = answerFor(TIMESTAMP, status(code, { location: elsewhere }));
      const failure = await failureOf(fetchWanted());
      expect(failure).toMatchObject({ reason: 'CATALOG_NOT_REACHABLE', message: expect.stringContaining(elsewhere) });
      expect(strangerSaw).toEqual([]);
    },
  );

  it.each([500, 503, 401, 429, 408])('HTTP %s once is tried again', async (code) => {
    let answers = 0;
    repository.intercept = answerFor(
      TIMESTAMP,
      (request, response) => answers++ === 0 && status(code)(request, response),
    );
    expect((await fetchWanted()).manifest.byteLength).toBeGreaterThan(0);
    expect(answers).toBe(2);
  });

  it('a catalog that is away while it is replaced is waited for', async () => {
    const backAt = Date.now() + 10_000;
    repository.intercept = (request, response) => Date.now() < backAt && status(502)(request, response);
    expect((await fetchAsInEarnest()).manifest.byteLength).toBeGreaterThan(0);
  });

  it('holds no more of a bomb than a file may have', async () => {
    repository.intercept = answerFor(TIMESTAMP, whole(bomb, { 'content-encoding': 'gzip' }));
    const before = process.memoryUsage().arrayBuffers;
    await failureOf(fetchWanted({ attempts: 1 }));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
  });

  it('a file that is longer than the signed one is left at that length', async () => {
    const length = repository.served.get('/tuf/3.snapshot.json')?.byteLength;
    repository.intercept = answerFor('/tuf/3.snapshot.json', endless);
    expect(await failureOf(fetchWanted())).toMatchObject({
      reason: 'METADATA_TOO_LONG',
      message: expect.stringContaining(`the ${length} bytes`),
    });
  });

  it('a catalog that is quick enough with each file and never done has a deadline', async () => {
    repository.intercept = (_, response) => Boolean(setTimeout(() => response.writeHead(503).end(), 100));
    const failure = await failureOf(fetchWanted({ attempts: 1_000, deadlineMs: 1_000 }));
    expect(failure).toMatchObject({ reason: 'CATALOG_TOO_SLOW', message: expect.stringContaining('within 1 s') });
  });

  it('an address where nobody listens', async () => {
    const failure = await failureOf(fetchWanted({ catalogUrl: () => 'http://127.0.0.1:9' }));
    expect(failure).toMatchObject({ reason: 'CATALOG_NOT_REACHABLE', message: expect.stringContaining('127.0.0.1:9') });
  });

  it('more new roots than a refresh may take: it stops, and the next one goes on from there', async () => {
    for (let i = 0; i < FETCH_LIMITS.roots + 1; i++) repository.renewRoot();
    expect(await failureOf(fetchWanted())).toMatchObject({
      reason: 'METADATA_TOO_LONG',
      facts: { file: '66.root.json' },
    });
    expect((await fetchWanted()).tree.byteLength).toBeGreaterThan(0);
  });
});
