import { createManualClock, Fault } from '@lastcall/kernel';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { fetchBounded, isSafeUrl } from './bounded-fetch.js';
import { createIdTokens } from './id-tokens.js';

/** What the server answers, by path. */
const ANSWERS: Readonly<Record<string, { status?: number; headers?: Record<string, string>; body?: string | Buffer }>> =
  {
    '/small': { body: '{"a":1}' },
    '/large': { body: 'x'.repeat(2_000) },
    '/bomb': { headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(1_000_000)) },
    '/moved': { status: 302, headers: { location: '/small' } },
    '/broken': { status: 500 },
  };

describe('a provider of strangers', () => {
  let server: Server;
  let url: string;
  let asked: string[];
  /** Of the discovery document; by default it never comes. */
  let discovery: string | undefined;
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      if (request.url?.endsWith('/openid-configuration') && discovery !== undefined) return response.end(discovery);
      const answer = ANSWERS[request.url ?? ''];
      if (answer) response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => ([asked, discovery] = [[], undefined]));
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const read = async (path: string): Promise<string> => {
    try {
      return await (await fetchBounded(url + path, { timeoutMs: 300, maxBytes: 1_000 })).text();
    } catch (error) {
      if (error instanceof Fault) return error.message;
      throw error;
    }
  };

  it('is read up to a size, for a time, and where it was said to be', async () => {
    expect(await read('/small')).toBe('{"a":1}');
    expect(await read('/large')).toMatch(/more than 1000 bytes/);
    expect(await read('/bomb')).toMatch(/more than 1000 bytes/);
    expect(await read('/moved')).toMatch(/answered 302/);
    expect(await read('/broken')).toMatch(/answered 500/);
    expect(await read('/never')).toMatch(/timeout/);
    expect(asked).not.toContain('/elsewhere');
  });

  it.each([
    ['https://login.example.com', true],
    ['https://login.example.com/realms/one', true],
    ['http://127.0.0.1:8080', true],
    ['http://[::1]:8080', true],
    ['http://localhost', true],
    ['http://login.example.com', false],
    ['http://127.0.0.1.example.com', false],
    ['http://169.254.169.254', false],
    ['https://user:secret@login.example.com', false],
    ['https://login.example.com?x=1', false],
    ['https://login.example.com#x', false],
    ['file:///etc/passwd', false],
    ['login.example.com', false],
  ])('is at a safe address: %s, %s', (text, safe) => expect(isSafeUrl(text)).toBe(safe));

  const refusal = async (issuer = url): Promise<string> => {
    const tokens = createIdTokens({ issuer, clientId: 'c', clock });
    const header = Buffer.from('{"alg":"RS256","kid":"k"}').toString('base64url');
    const verdict = await tokens.verify(`${header}.e30.AAAA`, '');
    await tokens.verify(`${header}.e30.AAAA`, '');
    return verdict.kind === 'bad' ? `${verdict.refusal.reason} ${verdict.refusal.message}` : 'good';
  };
  const clock = createManualClock();

  it.each<[string, () => string, RegExp]>([
    ['is another one than it should be', () => JSON.stringify({ issuer: 'https://evil.example' }), /another issuer/],
    ['names no keys', () => JSON.stringify({ issuer: url }), /names no keys/],
    [
      'has its keys where they could be changed',
      () => withKeys('http://keys.example.com/'),
      /must be an https address/,
    ],
    ['has no keys', () => withKeys(`${url}/small`), /keys cannot be read/],
    ['says nothing that can be read', () => 'null', /another issuer/],
    ['says no JSON', () => '<html>', /is no JSON/],
  ])('lets nobody in when it %s, and is not asked again at once', async (_, said, why) => {
    discovery = said();
    expect(await refusal()).toMatch(why);
    expect(asked.filter((path) => path.endsWith('/openid-configuration'))).toHaveLength(1);
  });
  const withKeys = (jwks_uri: string): string => JSON.stringify({ issuer: url, jwks_uri });
});
