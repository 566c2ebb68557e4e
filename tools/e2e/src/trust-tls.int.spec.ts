import { createMetadataFetcher, trustAuthority } from '@lastcall/agent';
import { createCertificates } from '@lastcall/testkit';
import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/*
 * A host and a catalog whose line is not what it should be: the metadata is signed, and the credential of the host goes to nobody else all the same.
 */

describe('the line to the catalog', () => {
  const seen: string[] = [];
  const certificates = createCertificates();
  const { cert, key } = certificates.issue('lastcall');
  const take = (url: string | undefined): void => void seen.push(url ?? '');
  const strange = createServer({ cert, key }, ({ url }, response) => (take(url), response.end('{}')));
  const plain = createPlainServer(({ url }, response) => (take(url), response.end('{}')));
  const old = createServer({ cert, key, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }, (_, response) =>
    response.end('{}'),
  );
  const servers: readonly Server[] = [strange, plain, old];
  beforeAll(async () => {
    for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  const authorities = getCACertificates('default');
  afterAll(() => {
    setDefaultCACertificates(authorities);
    servers.forEach((server) => server.close());
  });

  it.each([
    ['a certificate of an authority that this host does not know', strange, 'https', /certificate|self-signed/i],
    ['no TLS where it should be', plain, 'https', /SSL|packet|wrong version/i],
    ['TLS where none should be', strange, 'http', /./],
    ['a TLS that is too old', old, 'https', /SSL|alert|version|protocol/i],
  ] as const)('%s', async (_name, server, scheme, words) => {
    seen.length = 0;
    const baseUrl = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/tuf`;
    const options = { baseUrl, credential: () => 'eyJ-secret', signal: AbortSignal.timeout(30_000), attempts: 1 };
    const failed = await createMetadataFetcher(options)('timestamp.json', 1_000).catch((error: unknown) => error);
    expect(failed).toMatchObject({ rejected: { reason: 'CATALOG_NOT_REACHABLE' } });
    expect((failed as Error).message).toMatch(words);
    expect((failed as Error).message).not.toContain('eyJ-secret');
    expect(seen).toEqual([]);
  });

  it('under the authority of the site is trusted, for its own name only', async () => {
    trustAuthority(certificates.ca);
    const { port } = strange.address() as AddressInfo;
    const ask = (host: string) =>
      createMetadataFetcher({
        ...{ baseUrl: `https://${host}:${port}`, credential: () => 'eyJ-secret', attempts: 1 },
        signal: AbortSignal.timeout(30_000),
      })('timestamp.json', 1_000);
    expect((await ask('localhost'))?.toString()).toBe('{}');
    const { cert: other, key: otherKey } = certificates.issue('lastcall', { dnsName: 'another.example' });
    strange.closeAllConnections();
    strange.setSecureContext({ cert: other, key: otherKey });
    await expect(ask('localhost')).rejects.toMatchObject({ rejected: { reason: 'CATALOG_NOT_REACHABLE' } });
  });
});
