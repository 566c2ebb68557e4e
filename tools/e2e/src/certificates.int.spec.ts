import { createLog, createMetadataFetcher, joinInstallation, openAgent } from '@lastcall/agent';
import { certificatesOf, layoutOf, openKeyRing, rotateKeyHere } from '@lastcall/agent/testing';
import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, installerV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { createClient, openChannel } from '@lastcall/sdk';
import { createCertificates, createTempFolder, signAgentToken, startStack, until } from '@lastcall/testkit';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { join } from 'node:path';
import { createRotatingSecret } from './world/rotating-secret.js';

/* What a host says of the certificates that it depends on, asked of real servers; and what it believes when its authority is replaced. */

const DAY_MS = 86_400_000;
const never = new AbortController().signal;

describe('the certificates of a host', () => {
  it('are its own too, which it shows to whoever demands one', async () => {
    const folder = await createTempFolder('certificates');
    const { ca, issue } = createCertificates();
    const seen: string[] = [];
    // In TLS 1.3 a client is done before the server has looked.
    const demanding = { ca, requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' as const };
    const server = createServer({ ...issue('services'), ...demanding }, (socket) => {
      seen.push(String(socket.getPeerX509Certificate()?.subject));
    });
    try {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const validUntil = Math.floor((Date.now() + 2 * DAY_MS) / 1000) * 1000;
      const { cert, key } = issue('desk', { validUntil });
      const put = async (name: string, text: string): Promise<string> => {
        await writeFile(join(folder.path, name), text);
        return join(folder.path, name);
      };
      const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const without = { address, tlsCaFile: await put('ca.pem', ca) };
      const own = { ...without, tlsCertFile: await put('host.pem', cert), tlsKeyFile: await put('host.key', key) };
      expect(await certificatesOf(own, never)).toMatchObject([
        { whose: 'services', why: '' },
        { whose: 'authority', why: '' },
        { whose: 'host', expiresAt: validUntil, why: '' },
      ]);
      expect(seen).toEqual(['CN=desk']);
      const [refused] = await certificatesOf(without, never);
      expect(refused?.why).toMatch(/handshake failure/);
    } finally {
      server.close();
      await folder.remove();
    }
  });

  it('are that of the services, as they show it, and the authority; or why they could not be read', async () => {
    const folder = await createTempFolder('certificates');
    const { ca, issue } = createCertificates();
    const validUntil = Math.floor((Date.now() + 3 * DAY_MS) / 1000) * 1000;
    const server = createServer(issue('services', { validUntil }));
    const plain = createTcpServer((socket) => socket.end('hello'));
    try {
      const tlsCaFile = join(folder.path, 'ca.pem');
      await writeFile(tlsCaFile, ca);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      plain.listen(0, '127.0.0.1');
      await once(plain, 'listening');
      const portOf = (of: { address(): unknown }): number => (of.address() as AddressInfo).port;
      const of = (port: number) => certificatesOf({ address: `127.0.0.1:${port}`, tlsCaFile }, never);

      const [services, authority] = await of(portOf(server));
      expect(services).toEqual({ whose: 'services', expiresAt: validUntil, why: '' });
      expect(authority?.expiresAt).toBeGreaterThan(Date.now());
      const [unread] = await of(portOf(plain));
      expect(unread).toMatchObject({ whose: 'services', why: expect.stringMatching(/.+/) as string });
      expect(unread?.expiresAt).toBeUndefined();
      expect(await certificatesOf({ address: '127.0.0.1:1', tlsCaFile: '' }, never)).toEqual([]);
    } finally {
      server.close();
      plain.close();
      await folder.remove();
    }
  });
});

describe('the authority of a host', () => {
  it('is replaced while its agent works: the stream stays, and what is connected then believes the new one', async () => {
    const folder = await createTempFolder('authority');
    const secret = await createRotatingSecret(folder.path, []);
    const { settings } = secret;
    const stack = await startStack({ modules: [catalogModule, installerModule], settings });
    const tls = () => ({ ca: Buffer.from(secret.authority().ca) });
    const channel = openChannel({ address: stack.grpcAddress, credential: () => stack.token('admin'), tls });
    const installer = createClient(installerV1.InstallerServiceService, channel);
    const catalog = createClient(catalogV1.CatalogServiceService, channel);
    await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
    const kind = commonV1.InstallationKind.MULTI_USER;
    const about = { title: 'Berlin', product: 'encore', kind, channel: 'stable', timeZone: 'UTC' };
    const installation = catalogV1.Installation.fromPartial(about);
    await catalog.createInstallation({ installationId: 'berlin', installation });
    const role = commonV1.HostRole.WORKSTATION;
    const request = { parent: 'installations/berlin', hostId: 'desk', role, validMinutes: 0 };
    const { token } = await installer.createJoinToken(request);
    const dataDir = join(folder.path, 'desk');
    const tlsCaFile = settings['tlsCaFile'] ?? '';
    await joinInstallation({ dataDir, address: stack.grpcAddress, token, env: {}, tlsCaFile });
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line));
    const agent = await openAgent({ dataDir, log, antivirus: [], heartbeatMs: 200 });
    const streams = (): number => lines.filter((line) => /connected|stream (ended|lost)/.test(line)).length;
    try {
      agent.start();
      await until(async () => streams() === 1, 'the stream', 10_000);
      const addresses = [stack.grpcAddress, new URL(stack.httpUrl).host];
      let step = 0;
      for await (const isInUse of secret.steps()) {
        // Nobody is asked for a certificate here: the last step is one of the hosts alone.
        if (++step === 3) break;
        await until(async () => (await Promise.all(addresses.map(isInUse))).every(Boolean), 'the files', 10_000);
      }
      expect(streams()).toBe(1);
      // A pulse later the catalog is believed under the new one alone.
      const credential = (): string => signAgentToken(hostKey(), 'berlin', 'desk');
      const hostKey = () => openKeyRing(layoutOf(dataDir)).current.privateKey;
      const signal = AbortSignal.timeout(30_000);
      const fetchFile = createMetadataFetcher({ baseUrl: `${stack.httpUrl}/tuf`, credential, signal, attempts: 1 });
      await until(() => fetchFile('root.json', 100_000).then(() => true), 'the catalog to be believed', 10_000);
      await rotateKeyHere(dataDir);
      await until(async () => streams() === 3, 'another stream', 10_000);
    } finally {
      await agent.stop();
      channel.close();
      await stack.stop();
      await folder.remove();
    }
  });
});
