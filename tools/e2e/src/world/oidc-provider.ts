import Provider from 'oidc-provider';
import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * A real OpenID provider in this process, on loopback, with the device flow. Its people are what a test says they are; its key is the
 * test's as well, for tokens that only the provider could have made.
 */

export interface OidcProvider {
  readonly issuer: string;
  readonly key: KeyObject;
  readonly kid: string;
  /** Claims by the name that the person logs in with. */
  readonly people: Record<string, Readonly<Record<string, unknown>>>;
  /** Requests that it has got, `GET /jwks`. */
  readonly requests: readonly string[];
  /** Safe twice. Nobody answers at its address any more. */
  stop(): Promise<void>;
}

export const CLIENT = 'lastcall';
export const OTHER_CLIENT = 'another-application';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

export async function startOidcProvider(): Promise<OidcProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const key = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  const kid = 'key-1';
  const people: OidcProvider['people'] = {};
  const requests: string[] = [];
  quiet();
  const provider = new Provider(issuer, configurationOf(key, kid, people));
  const callback = provider.callback();
  server.on('request', (request, response) => {
    const path = `${request.method} ${request.url?.split('?')[0]}`;
    requests.push(path);
    if (path === 'POST /device/auth') askEverySecond(response);
    callback(request, response);
  });
  return { issuer, key, kid, people, requests, stop: () => stop(server) };
}

function configurationOf(key: KeyObject, kid: string, people: OidcProvider['people']): object {
  const jwk = { ...key.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' };
  const client = {
    token_endpoint_auth_method: 'none',
    grant_types: [DEVICE, 'refresh_token'],
    redirect_uris: [],
    response_types: [],
  };
  return {
    jwks: { keys: [jwk] },
    clients: [CLIENT, OTHER_CLIENT].map((client_id) => ({ client_id, ...client })),
    features: {
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      revocation: { enabled: true },
    },
    // The groups of a person stand in the ID token, as directories put them there.
    conformIdTokenClaims: false,
    claims: { openid: ['sub', 'groups', 'preferred_username'], profile: ['name'] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  };
}

/** A client that is told nothing waits for 5 s (RFC 8628, section 3.2), and this provider tells nothing. */
function askEverySecond(response: ServerResponse): void {
  const end = response.end.bind(response);
  response.end = ((body?: unknown) => {
    const answer = JSON.stringify({ ...(JSON.parse(String(body)) as object), interval: 1 });
    response.setHeader('content-length', Buffer.byteLength(answer));
    return end(answer);
  }) as typeof response.end;
}

/** It advises whoever operates it, on the console. */
function quiet(): void {
  for (const level of ['info', 'warn'] as const) {
    const say = console[level].bind(console);
    console[level] = (...said: unknown[]) => void (String(said[0]).startsWith('oidc-provider ') || say(...said));
  }
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
