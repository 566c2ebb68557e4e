import { catalogV1, commonV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import type { UnaryClient } from '@lastcall/sdk';
import { startStack, type Stack } from '@lastcall/testkit';
import {
  formatSigningRequest,
  keyFromPem,
  newPrivateKeyPem,
  parseSigningRequest,
  signRequest,
  type SigningRequest,
  type TufKey,
} from '@lastcall/trust';
import { catalogModule } from './service.js';

/* The calls for signatures of people, as programs make them: what is refused, who may, and what a release goes through. */

type Catalog = UnaryClient<typeof catalogV1.CatalogServiceService>;

const newKeys = (n: number): TufKey[] => Array.from({ length: n }, () => keyFromPem(newPrivateKeyPem()));
const keys = newKeys(2);
const set = (threshold = 2): catalogV1.SigningKeys => {
  return { publicKeys: keys.map((key) => Buffer.from(key.publicKey.keyval.public, 'hex')), threshold };
};
const offline = (): catalogV1.OfflineKeys => ({ root: set(), targets: set(), releases: set(), newOnlineKeys: false });
const FILE = Buffer.from('console.log(1)');

let stack: Stack;
let catalog: Catalog;

beforeAll(async () => {
  stack = await startStack({ modules: [catalogModule] });
  catalog = stack.client(catalogV1.CatalogServiceService);
  await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
  expect((await put(FILE)).ok).toBe(true);
});
afterAll(() => stack.stop());

const headers = (): Record<string, string> => ({ authorization: `Bearer ${stack.token('admin')}` });

async function put(bytes: Buffer): Promise<Response> {
  return fetch(`${stack.httpUrl}/blobs/${sha256Hex(bytes)}`, { method: 'PUT', body: new Uint8Array(bytes), headers: headers() }); // prettier-ignore
}

async function prepare(wish: Partial<catalogV1.PrepareSigningRequest>): Promise<SigningRequest> {
  const { blob } = await catalog.prepareSigning(catalogV1.PrepareSigningRequest.fromPartial(wish));
  const response = await fetch(`${stack.httpUrl}/blobs/${blob}`, { headers: headers() });
  const request = parseSigningRequest(Buffer.from(await response.arrayBuffer()));
  if (typeof request === 'string') throw new Error(request);
  return request;
}

async function submit(request: SigningRequest, as: Catalog = catalog): Promise<catalogV1.SubmitSigningResponse> {
  const bytes = formatSigningRequest(request);
  await put(bytes);
  return as.submitSigning({ blob: sha256Hex(bytes) });
}

async function draft(version: string): Promise<string> {
  const files = [{ path: 'server.js', mode: 0o644, sizeBytes: BigInt(FILE.length), sha256: sha256Hex(FILE) }];
  await catalog.createRelease({
    parent: 'products/encore',
    manifest: Buffer.from(`product: encore\nversion: ${version}\ntitle: E\nartifacts: [{ role: server, directory: a }]\ncommands: {}\n`), // prettier-ignore
    artifacts: [{ role: commonV1.HostRole.SERVER, platform: 'any', files }],
    treeBlobs: [],
  });
  return `products/encore/releases/${version}`;
}

const stateOf = async (name: string): Promise<catalogV1.ReleaseState | undefined> =>
  (await catalog.getRelease({ name })).release?.state;
const { DRAFT, PUBLISHED } = catalogV1.ReleaseState;

describe('signatures of people', () => {
  it('are asked for with every wrong field at once', async () => {
    const short = { publicKeys: [Buffer.alloc(31)], threshold: 2 };
    const twice = { publicKeys: [Buffer.alloc(32, 1), Buffer.alloc(32, 1)], threshold: 1 };
    const wrong = { root: short, targets: twice, releases: undefined, newOnlineKeys: false };
    await expect(prepare({ keys: wrong })).rejects.toMatchObject({
      violations: expect.arrayContaining([
        { field: 'keys.root.public_keys', description: expect.stringMatching(/32 bytes/) },
        { field: 'keys.root.threshold', description: expect.stringMatching(/is 2/) },
        { field: 'keys.targets.public_keys', description: expect.stringMatching(/twice/) },
        { field: 'keys.releases.public_keys', description: expect.stringMatching(/has 0 keys/) },
      ]),
    });
    await expect(prepare({ keys: offline(), renew: true })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await expect(prepare({ release: 'encore' })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await expect(prepare({ renew: true })).rejects.toMatchObject({ reason: 'KEYS_ARE_HERE' });
    await expect(prepare({ release: 'products/encore/releases/9.9.9' })).rejects.toMatchObject({ reason: 'RELEASE_NOT_FOUND' }); // prettier-ignore
  });

  it('are taken from files only', async () => {
    await expect(catalog.submitSigning({ blob: 'x' })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await expect(catalog.submitSigning({ blob: 'a'.repeat(64) })).rejects.toMatchObject({ reason: 'BLOB_NOT_FOUND' });
    await expect(catalog.submitSigning({ blob: sha256Hex(FILE) })).rejects.toMatchObject({ reason: 'SIGNING_REQUEST_WRONG' }); // prettier-ignore
  });

  it('end the catalog’s own: an administrator hands over, an operator cannot', async () => {
    const first = await draft('1.0.0');
    await catalog.publishRelease({ name: first, channel: '' });
    const before = await (await fetch(`${stack.httpUrl}/tuf/timestamp.json`, { headers: headers() })).text();
    const signed = signRequest(await prepare({ keys: offline() }), keys);
    const operator = stack.client(catalogV1.CatalogServiceService, 'operator');
    await expect(submit(signed, operator)).rejects.toMatchObject({ reason: 'ADMIN_NEEDED' });
    await expect(submit(signed, stack.client(catalogV1.CatalogServiceService, 'viewer'))).rejects.toThrow();
    expect(await (await fetch(`${stack.httpUrl}/tuf/timestamp.json`, { headers: headers() })).text()).toBe(before);
    expect((await submit(signed)).state).toMatchObject({ offline: true, rootVersion: 2n });
    expect(await stateOf(first)).toBe(PUBLISHED);
  });

  it('publish a release, whoever carries them, and the same file again does no harm', async () => {
    const name = await draft('1.1.0');
    await expect(catalog.publishRelease({ name, channel: '' })).rejects.toMatchObject({ reason: 'SIGNATURES_NEEDED' });
    const request = await prepare({ release: name, channel: 'preview' });
    await expect(submit(request)).rejects.toMatchObject({ reason: 'SIGNATURES_MISSING' });
    await expect(submit(signRequest(request, keys.slice(0, 1)))).rejects.toMatchObject({
      reason: 'SIGNATURES_MISSING',
    });
    expect(await stateOf(name)).toBe(DRAFT);
    const operator = stack.client(catalogV1.CatalogServiceService, 'operator');
    for (let i = 0; i < 2; i++) {
      const { release } = await submit(signRequest(request, keys), operator);
      expect(release).toMatchObject({ version: '1.1.0', state: PUBLISHED });
    }
    const { channels } = await catalog.listChannels({ parent: 'products/encore' });
    expect(channels.map(({ name: n, version }) => [n.split('/').at(-1), version])).toContainEqual(['preview', '1.1.0']);
    // Another channel needs no signature.
    await catalog.publishRelease({ name, channel: 'stable' });
  });

  it('are for what was drafted when they were given: other files need others', async () => {
    const name = await draft('1.2.0');
    const signed = signRequest(await prepare({ release: name }), keys);
    await catalog.createRelease({
      parent: 'products/encore',
      manifest: Buffer.from('product: encore\nversion: 1.2.0\ntitle: Changed\nartifacts: [{ role: server, directory: a }]\ncommands: {}\n'), // prettier-ignore
      artifacts: [{ role: commonV1.HostRole.SERVER, platform: 'any', files: [{ path: 'x.js', mode: 0o644, sizeBytes: BigInt(FILE.length), sha256: sha256Hex(FILE) }] }], // prettier-ignore
      treeBlobs: [],
    });
    await expect(submit(signed)).rejects.toMatchObject({ reason: 'SIGNING_STALE' });
    expect(await stateOf(name)).toBe(DRAFT);
    expect((await submit(signRequest(await prepare({ release: name }), keys))).release?.state).toBe(PUBLISHED);
  });

  it('are wanted again when a release is withdrawn, and say so', async () => {
    await catalog.withdrawRelease({ name: 'products/encore/releases/1.2.0', reason: 'broken' });
    const { state } = await catalog.getSigningState({});
    const waiting = (state?.roles ?? []).filter((role) => role.waiting !== '').map((role) => role.role);
    expect(waiting).toEqual(expect.arrayContaining([expect.stringMatching(/^releases-\d{4}-1-encore$/)]));
    const renewed = await prepare({ renew: true });
    expect((await submit(signRequest(renewed, keys))).state?.roles.every((role) => role.waiting === '')).toBe(true);
    await expect(prepare({ renew: true })).rejects.toMatchObject({ reason: 'NOTHING_TO_SIGN' });
  });
});
