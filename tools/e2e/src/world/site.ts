import { catalogV1, commonV1, eventsV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import type { Stack } from '@lastcall/testkit';

/* An installation and a release in a stack that has the catalog, for tests that play the hosts themselves. */

export const SITE = 'berlin';
export const NAME = `installations/${SITE}`;
const ZONE = 'Europe/Berlin';

/** Local time of the site, `ms` from now. */
export function localIn(ms: number): string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: ZONE, dateStyle: 'short', timeStyle: 'medium' });
  return format.format(Date.now() + ms).replace(' ', 'T');
}

export interface SiteOptions {
  readonly id?: string;
  readonly kind?: commonV1.InstallationKind;
  readonly settings?: Partial<catalogV1.Installation>;
}

/** With one server on 11.0.0. */
export async function addSite(stack: Stack, options: SiteOptions = {}): Promise<void> {
  const { id = SITE, kind = commonV1.InstallationKind.MULTI_USER, settings = {} } = options;
  const catalog = stack.client(catalogV1.CatalogServiceService);
  const product = catalogV1.Product.fromPartial({ title: 'Encore' });
  if (id === SITE) await catalog.createProduct({ productId: 'encore', product });
  const installation = catalogV1.Installation.fromPartial({
    ...{ title: id, product: 'encore', kind, channel: 'stable', timeZone: ZONE },
    ...settings,
  });
  await catalog.createInstallation({ installationId: id, installation });
  const joined = eventsV1.HostJoined.fromPartial({
    ...{ installation: id, host: 'srv1', role: commonV1.HostRole.SERVER, installedVersion: '11.0.0' },
    ...{ publicKey: Buffer.alloc(32), platform: 'linux-x64' },
  });
  await stack.publish('HostJoined', id, joined);
  await stack.seen('InstalledReleaseChanged', (m) => m.installation === id);
}

export interface ReleaseOptions {
  /** Default `stable`. */
  readonly channel?: string;
  /** Versions that must be installed on the way. */
  readonly required?: readonly string[];
}

export async function publishRelease(
  stack: Stack,
  version: string,
  notes = '',
  { channel = '', required = [] }: ReleaseOptions = {},
): Promise<void> {
  const catalog = stack.client(catalogV1.CatalogServiceService);
  const content = Buffer.from(`encore ${version}`);
  const sha256 = sha256Hex(content);
  const manifest = [
    `product: encore`,
    `version: ${version}`,
    `title: Encore ${version}`,
    `notes: ${JSON.stringify(notes)}`,
    ...(required.length === 0 ? [] : [`updatesFrom: { required: [${required.join(', ')}] }`]),
    `artifacts: [{ role: server, directory: server }]`,
    `commands: { server: { start: { run: [node, server.js] } } }`,
  ].join('\n');
  await catalog.createRelease({
    parent: 'products/encore',
    manifest: Buffer.from(manifest),
    artifacts: [
      {
        role: commonV1.HostRole.SERVER,
        platform: 'any',
        files: [{ path: 'server.js', mode: 0o644, sizeBytes: BigInt(content.length), sha256 }],
      },
    ],
    treeBlobs: [],
  });
  const headers = { authorization: `Bearer ${stack.token('operator')}` };
  const put = await fetch(`${stack.httpUrl}/blobs/${sha256}`, {
    method: 'PUT',
    body: new Uint8Array(content),
    headers,
  });
  if (!put.ok) throw new Error(`the blob was not taken: ${put.status}`);
  await catalog.publishRelease({ name: `products/encore/releases/${version}`, channel });
}
