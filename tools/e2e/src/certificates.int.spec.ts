import { certificatesOf } from '@lastcall/agent/testing';
import { createCertificates, createTempFolder } from '@lastcall/testkit';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { join } from 'node:path';

/* What a host says of the certificates that it depends on, asked of real servers. */

const DAY_MS = 86_400_000;
const never = new AbortController().signal;

describe('the certificates of a host', () => {
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
