import { catalogV1, commonV1, hostEdgeV1, installerV1 } from '@lastcall/contracts';
import { createClient, openChannel, type Channel } from '@lastcall/sdk';
import { createCertificates, createTempFolder, startStack, type Stack, type TempFolder } from '@lastcall/testkit';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installerModule } from './service.js';
import { simulatedCatalog, SIMULATED_ROOT } from './simulation/simulated-catalog.js';

/* What the installer fetches where services show each other certificates of an authority of their own. */

jest.setTimeout(60_000);
const SITE = 'berlin';
const authority = createCertificates();

describe.each(['asked', 'required'] as const)('a host that joins where certificates are %s', (tlsClientCerts) => {
  let folder: TempFolder;
  let stack: Stack;
  let channel: Channel;

  beforeAll(async () => {
    folder = await createTempFolder('certificates');
    const own = authority.issue('lastcall', { moreNames: ['catalog', 'installer'] });
    const write = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder.path, name), text);
      return join(folder.path, name);
    };
    const settings = {
      tlsCertFile: await write('tls.crt', own.cert),
      tlsKeyFile: await write('tls.key', own.key),
      tlsCaFile: await write('ca.crt', authority.ca),
      tlsClientCerts,
    };
    stack = await startStack({ modules: [simulatedCatalog, installerModule], settings });
    const ca = Buffer.from(authority.ca);
    const shown = { ca, cert: Buffer.from(own.cert), key: Buffer.from(own.key) };
    const tls = () => (tlsClientCerts === 'required' ? shown : { ca });
    channel = openChannel({ address: stack.grpcAddress, credential: () => stack.token('admin'), tls });
  });
  afterAll(async () => {
    channel.close();
    await stack.stop();
    await folder.remove();
  });

  it('is told what to trust', async () => {
    const installer = createClient(installerV1.InstallerServiceService, channel);
    const asked = { parent: `installations/${SITE}`, hostId: 'srv', role: commonV1.HostRole.SERVER, validMinutes: 0 };
    const { token } = await installer.createJoinToken(asked);
    const host = { token, platform: 'linux-x64', agentVersion: '0.1.0', installedVersion: '' };
    const edge = createClient(hostEdgeV1.HostEdgeServiceService, channel);
    const { catalogUrl, trustedRoot } = await edge.join({ ...host, publicKey: randomBytes(32) });
    expect(Buffer.from(trustedRoot).toString()).toBe(SIMULATED_ROOT);
    expect(catalogUrl).toMatch(/^https:/);
    const name = `installations/${SITE}`;
    expect(
      (await createClient(catalogV1.CatalogServiceService, channel).getInstallation({ name })).installation?.product,
    ).toBe('encore');
  });
});
