import { catalogV1 } from '@lastcall/contracts';
import { CODE, createClient, openChannel, type Channel, type ChannelTls } from '@lastcall/sdk';
import { writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { createCertificates } from './certificates.js';
import { createSmallCatalog } from './small-catalog.js';
import { startStack, type Stack } from './stack.js';
import { createTempFolder, type TempFolder } from './temp-folder.js';

const certificates = createCertificates();
const server = certificates.issue('lastcall');
const ca = Buffer.from(certificates.ca);

describe('TLS', () => {
  let folder: TempFolder;
  let stack: Stack | undefined;
  const channels: Channel[] = [];
  afterEach(async () => {
    for (const channel of channels.splice(0)) channel.close();
    await stack?.stop();
    await folder.remove();
  });

  async function start(settings: Record<string, string>): Promise<void> {
    folder = await createTempFolder('tls');
    const file = async (name: string, text: string) => {
      await writeFile(join(folder.path, name), text);
      return join(folder.path, name);
    };
    stack = await startStack({
      modules: [createSmallCatalog()],
      settings: {
        tlsCertFile: await file('cert.pem', server.cert),
        tlsKeyFile: await file('key.pem', server.key),
        tlsCaFile: await file('ca.pem', certificates.ca),
        ...settings,
      },
    });
  }

  function catalogWith(tls: ChannelTls | undefined) {
    const channel = openChannel({
      address: stack?.grpcAddress ?? '',
      credential: () => stack?.token('admin') ?? '',
      tls,
    });
    channels.push(channel);
    return createClient(catalogV1.CatalogServiceService, channel);
  }
  const reached = { code: CODE.notFound, reason: 'NO_SUCH_PRODUCT' };
  const product = { name: 'products/p' };
  const quick = { timeoutMs: 1_000 };

  it('is spoken by every port when there is a certificate, to those who trust it', async () => {
    await start({});
    await expect(catalogWith({ ca }).getProduct(product)).rejects.toMatchObject(reached);
    await expect(catalogWith(undefined).getProduct(product, quick)).rejects.toMatchObject({ code: CODE.unavailable });
    await expect(catalogWith({}).getProduct(product, quick)).rejects.toMatchObject({ code: CODE.unavailable });
    expect(stack?.httpUrl).toMatch(/^https:/);
    const status = await new Promise((resolve, reject) => {
      get(`${stack?.httpUrl}/readyz`, { ca }, (response) => resolve(response.resume().statusCode)).on('error', reject);
    });
    expect(status).toBe(200);
  });

  it('demands a certificate of callers when told so; services of the process have one', async () => {
    await start({ tlsClientCerts: 'required', tlsServiceName: 'localhost' });
    const own = certificates.issue('operator');
    const mutual = { ca, cert: Buffer.from(own.cert), key: Buffer.from(own.key) };
    await expect(catalogWith(mutual).getProduct(product)).rejects.toMatchObject(reached);
    await expect(catalogWith({ ca }).getProduct(product, quick)).rejects.toMatchObject({ code: CODE.unavailable });
    const stranger = createCertificates().issue('operator');
    const strange = { ca, cert: Buffer.from(stranger.cert), key: Buffer.from(stranger.key) };
    await expect(catalogWith(strange).getProduct(product, quick)).rejects.toMatchObject({ code: CODE.unavailable });
    // The catalog asks itself over the network, and hands on what it was told.
    const create = catalogV1.CreateProductRequest.create({ productId: 'p' });
    await expect(catalogWith(mutual).createProduct(create)).rejects.toMatchObject(reached);
  });
});
