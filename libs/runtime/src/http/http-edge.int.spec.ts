import { Fault, reject, RejectedError, systemClock } from '@lastcall/kernel';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createAuthenticator, type Authenticator } from '../auth/authenticator.js';
import { createKeySource } from '../auth/key-source.js';
import { createHealth } from '../health.js';
import { ensureIdentity } from '../identity/ensure-identity.js';
import { createTokenIssuer } from '../identity/token-issuer.js';
import { createLogger } from '../logging.js';
import type { HttpRoute } from '../service.js';
import { noTelemetry } from '../telemetry/telemetry.js';
import { createHttpEdge, type HttpEdge } from './http-edge.js';

let dir: string;
let authenticator: Authenticator;
let credentials: Record<'viewer' | 'operator' | 'client', string>;
let edge: HttpEdge;
let url: string;
const health = createHealth(() => [{ name: 'bus', isGood: () => true }]);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-http-'));
  await ensureIdentity(dir);
  const keys = await createKeySource(join(dir, 'keys.json'), systemClock);
  authenticator = createAuthenticator({ keys, isRevoked: () => false, clock: systemClock });
  const issuer = await createTokenIssuer(join(dir, 'signing-key.pem'));
  const issue = async (role: 'viewer' | 'operator' | 'client') =>
    (await issuer.issue({ subject: role, role, issuedAt: Date.now(), expiresAt: Date.now() + 3_600_000 })).credential;
  credentials = { viewer: await issue('viewer'), operator: await issue('operator'), client: await issue('client') };
});
afterAll(() => rmSync(dir, { recursive: true }));

beforeEach(async () => {
  edge = createHttpEdge({
    settings: { httpAddress: '127.0.0.1:0', maxUploadBytes: 100_000, stopTimeoutMs: 2_000 },
    health,
    log: createLogger('silent'),
    telemetry: noTelemetry,
  });
  url = await edge.start();
});
afterEach(() => edge.stop());

function serve(...routes: HttpRoute[]): void {
  edge.serve(routes.map((route) => ({ route, authenticator })));
}

const get = (path: string, role?: keyof typeof credentials) =>
  fetch(`${url}${path}`, role ? { headers: { authorization: `Bearer ${credentials[role]}` } } : {});

const tuf: HttpRoute = {
  method: 'GET',
  path: '/tuf/*',
  handle: async (_request, response, { rest, principal }) => void response.end(`${principal?.subject} ${rest}`),
};

/** Reads all of it. */
const upload: HttpRoute = {
  method: 'PUT',
  path: '/blobs/*',
  handle: async (incoming, response) => {
    let bytes = 0;
    await pipeline(incoming, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) bytes += chunk.length;
    });
    response.end(String(bytes));
  },
};

describe('the HTTP edge', () => {
  it('lives from the beginning and is ready when everything is', async () => {
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/tuf/1.root.json', 'viewer')).status).toBe(503);
    expect(await (await get('/readyz')).json()).toMatchObject({ problems: ['not started, or stopping'] });
    health.setRunning(true);
    expect((await get('/readyz')).status).toBe(200);
    health.setRunning(false);
    expect((await get('/readyz')).status).toBe(503);
  });

  it('hands a request to its route, with who asks and the rest of the path', async () => {
    serve(tuf);
    expect(await (await get('/tuf/targets/a%2Bb/x.json?y=1', 'viewer')).text()).toBe('viewer targets/a+b/x.json');
  });

  it('needs a credential that may', async () => {
    serve(tuf, upload);
    const nobody = await get('/tuf/1.root.json');
    expect(nobody.status).toBe(401);
    expect(nobody.headers.get('www-authenticate')).toBe('Bearer');
    const client = await get('/tuf/1.root.json', 'client');
    expect(client.status).toBe(403);
    expect(await client.json()).toMatchObject({ reason: 'NOT_PERMITTED' });
  });

  it.each(['/', '/tuf', '/tuf/', '/tuf/../secret', '/tuf/%2e%2e/secret', '/tuf/a%00b', '/tuf/%zz', '/other'])(
    'has nothing at %s',
    async (path) => {
      serve(tuf);
      expect((await rawGet(path)).statusCode).toBe(404);
    },
  );

  it('names the methods that are possible', async () => {
    serve(tuf);
    const response = await fetch(`${url}/tuf/x`, { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET');
  });

  it('answers refusals, faults and mistakes with their status, and hides the text of the last two', async () => {
    const failing = (error: Error) => serve({ ...tuf, handle: () => Promise.reject(error) });
    failing(new RejectedError(reject('not-found', 'NO_BLOB', 'There is no such blob.', { facts: { blob: 'x' } })));
    const missing = await get('/tuf/x', 'viewer');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ reason: 'NO_BLOB', facts: { blob: 'x' } });
    for (const [error, status] of [
      [new Fault('hunter2'), 503],
      [new Error('hunter2'), 500],
    ] as const) {
      failing(error);
      const response = await get('/tuf/x', 'viewer');
      expect(response.status).toBe(status);
      expect(await response.text()).not.toContain('hunter2');
    }
  });

  it('takes a body up to the limit and cuts a larger one, announced or not', async () => {
    serve(upload);
    expect((await put(100_000, true)).statusCode).toBe(200);
    expect((await put(100_000, false)).statusCode).toBe(200);
    expect((await put(100_001, true)).statusCode).toBe(413);
    // Who does not stop is cut, and may see nothing but that.
    expect(
      await put(10_000_000, false).then(
        ({ statusCode }) => statusCode,
        () => 413,
      ),
    ).toBe(413);
  });

  it('breaks off an answer that went wrong in its middle', async () => {
    serve({
      ...tuf,
      handle: async (_request, response) => {
        response.write('half');
        throw new Error('disk');
      },
    });
    await expect(get('/tuf/x', 'viewer').then((response) => response.text())).rejects.toThrow();
  });

  it('tells the route when the reader goes', async () => {
    let ended: Promise<unknown> | undefined;
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    serve({
      ...tuf,
      handle: async (_request, _response, { signal }) => {
        ended = once(signal, 'abort');
        begin();
        await ended;
      },
    });
    const abort = new AbortController();
    const headers = { authorization: `Bearer ${credentials.viewer}` };
    const response = fetch(`${url}/tuf/x`, { headers, signal: abort.signal }).catch(() => undefined);
    await begun;
    abort.abort();
    await ended;
    await response;
  });
});

/** `fetch` would tidy the path. */
async function rawGet(path: string): Promise<IncomingMessage> {
  const { hostname, port } = new URL(url);
  const headers = { authorization: `Bearer ${credentials.viewer}` };
  const [response] = (await once(request({ hostname, port, path, headers }).end(), 'response')) as [IncomingMessage];
  return response.resume();
}

async function put(bytes: number, announced: boolean): Promise<IncomingMessage> {
  const headers = {
    authorization: `Bearer ${credentials.operator}`,
    ...(announced ? { 'content-length': bytes } : { 'transfer-encoding': 'chunked' }),
  };
  const outgoing = request(`${url}/blobs/x`, { method: 'PUT', headers });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  // Behind the answer the rest has nobody to go to.
  outgoing.on('error', () => undefined).end(Buffer.alloc(bytes));
  const [response] = await answered;
  return response.resume();
}
