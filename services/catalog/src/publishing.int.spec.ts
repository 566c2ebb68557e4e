import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { catalogV1, commonV1, eventsV1, parseTree } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import type { UnaryClient } from '@lastcall/sdk';
import { describeWith, signAgentToken, startStack, type Stack, type StackOptions } from '@lastcall/testkit';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { blobPath } from './blobs.js';
import { catalogModule } from './service.js';

type Catalog = UnaryClient<typeof catalogV1.CatalogServiceService>;

/** Fetches with a credential, as an agent does. */
class BearerFetcher extends BaseFetcher {
  constructor(private readonly credential: () => string) {
    super();
  }

  async fetch(url: string): ReturnType<BaseFetcher['fetch']> {
    const response = await fetch(url, { headers: { authorization: `Bearer ${this.credential()}` } });
    if (!response.ok || !response.body) throw new DownloadHTTPError(url, response.status);
    return response.body;
  }
}

function manifest(version: string, more = ''): string {
  return `product: encore
version: ${version}
title: Encore ${version}
artifacts:
  - { role: server, directory: server }
commands: { server: { start: { run: [node, server.js] } } }
${more}`;
}

const SERVER = (version: string): Buffer => Buffer.from(`console.log('encore ${version}')`);

function suite(options: Pick<StackOptions, 'bus' | 'store'>): void {
  let stack: Stack;
  let catalog: Catalog;
  let home: string;

  beforeAll(async () => {
    stack = await startStack({ modules: [catalogModule], ...options, settings: { maxUploadBytes: 100_000 } });
    catalog = stack.client(catalogV1.CatalogServiceService);
    home = await mkdtemp(join(tmpdir(), 'publishing-'));
    await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
    const installation = catalogV1.Installation.fromPartial({
      title: 'Berlin',
      product: 'encore',
      kind: commonV1.InstallationKind.MULTI_USER,
      timeZone: 'UTC',
    });
    await catalog.createInstallation({ installationId: 'berlin', installation });
  });
  afterAll(async () => {
    await stack.stop();
    await rm(home, { recursive: true, force: true });
  });

  const authorization = (role: Parameters<Stack['token']>[0] = 'operator'): Record<string, string> => {
    return { authorization: `Bearer ${stack.token(role)}` };
  };
  const url = (path: string): string => `${stack.httpUrl}${path}`;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(url(path), { headers: { ...authorization(), ...headers } });
  const put = (sha256: string, body: Buffer): Promise<Response> =>
    fetch(url(`/blobs/${sha256}`), { method: 'PUT', body: new Uint8Array(body), headers: authorization() });
  const nameOf = (version: string): string => `products/encore/releases/${version}`;

  function draft(version: string, more = '', content = SERVER(version)): Promise<catalogV1.CreateReleaseResponse> {
    const files = [{ path: 'server.js', mode: 0o644, sizeBytes: BigInt(content.length), sha256: sha256Hex(content) }];
    return catalog.createRelease({
      parent: 'products/encore',
      manifest: Buffer.from(manifest(version, more)),
      artifacts: [{ role: commonV1.HostRole.SERVER, platform: 'any', files }],
      treeBlobs: [],
    });
  }

  async function publish(version: string, more = ''): Promise<void> {
    await draft(version, more);
    await put(sha256Hex(SERVER(version)), SERVER(version));
    await catalog.publishRelease({ name: nameOf(version), channel: '' });
  }

  const check = (version = ''): Promise<catalogV1.CheckUpdateResponse> =>
    catalog.checkUpdate({ name: 'installations/berlin', version });

  /** A host that pinned the root, with a credential that it signed itself. */
  async function host(name: string): Promise<(path: string) => Promise<string | undefined>> {
    const keys = generateKeyPairSync('ed25519');
    const publicKey = Buffer.from(keys.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
    const joined = { installation: 'berlin', host: name, role: commonV1.HostRole.SERVER, publicKey };
    await stack.publish('HostJoined', 'berlin', eventsV1.HostJoined.fromPartial({ ...joined, platform: 'linux-x64' }));
    await stack.seen('InstalledReleaseChanged', (m) => name in m.hostVersions);
    const dir = join(home, name);
    await mkdir(join(dir, 'targets'), { recursive: true });
    await writeFile(join(dir, 'root.json'), Buffer.from(await (await get('/tuf/root.json')).arrayBuffer()));
    return async (path) => {
      const updater = new Updater({
        metadataDir: dir,
        metadataBaseUrl: url('/tuf'),
        targetDir: join(dir, 'targets'),
        targetBaseUrl: url('/tuf/targets'),
        fetcher: new BearerFetcher(() => signAgentToken(keys.privateKey, 'berlin', name)),
      });
      const info = await updater.getTargetInfo(path);
      return info && readFile(await updater.downloadTarget(info), 'utf8');
    };
  }

  it('publishes releases that a real agent’s client verifies, one after the other, until they are withdrawn', async () => {
    const read = await host('srv');
    expect(await read('encore/1.0.0/lastcall.yaml')).toBeUndefined();
    await publish('1.0.0');
    expect(await read('encore/1.0.0/lastcall.yaml')).toBe(manifest('1.0.0'));
    await publish('1.1.0');
    const tree = parseTree((await read('encore/1.1.0/server-any.tree.json')) ?? '');
    if (!('files' in tree)) throw new Error(tree.message);
    expect(tree.files).toMatchObject([{ path: 'server.js', mode: 0o644, sha256: sha256Hex(SERVER('1.1.0')) }]);
    expect(await (await get(`/blobs/${tree.files[0]?.sha256}`)).text()).toBe(SERVER('1.1.0').toString());
    expect(await check()).toMatchObject({ release: { version: '1.1.0' }, reason: '' });

    await catalog.withdrawRelease({ name: nameOf('1.1.0'), reason: 'loses bookings' });
    expect(await read('encore/1.1.0/server-any.tree.json')).toBeUndefined();
    expect(await read('encore/1.0.0/lastcall.yaml')).toBe(manifest('1.0.0'));
    expect(await check()).toMatchObject({ release: { version: '1.0.0' }, reason: '' });
    expect(await check('1.1.0')).toMatchObject({ release: undefined, reason: '1.1.0 is not a published release' });
    const { message } = await stack.seen('ReleaseWithdrawn');
    expect(message).toEqual({ product: 'encore', version: '1.1.0', reason: 'loses bookings' });
    const { channels } = await catalog.listChannels({ parent: 'products/encore' });
    expect(channels.find((c) => c.name.endsWith('/stable'))?.version).toBe('1.0.0');
  });

  it('resumes: the same draft again names what is missing, and publishing waits for it', async () => {
    const first = await draft('2.0.0');
    expect(first.missingBlobs).toEqual([sha256Hex(SERVER('2.0.0'))]);
    expect(await draft('2.0.0')).toEqual(first);
    await expect(catalog.publishRelease({ name: nameOf('2.0.0'), channel: '' })).rejects.toMatchObject({
      code: 9,
      reason: 'BLOBS_MISSING',
    });
    expect((await catalog.getRelease({ name: nameOf('2.0.0') })).release?.state).toBe(catalogV1.ReleaseState.DRAFT);
    await put(sha256Hex(SERVER('2.0.0')), SERVER('2.0.0'));
    expect((await draft('2.0.0')).missingBlobs).toEqual([]);
    const published = await catalog.publishRelease({ name: nameOf('2.0.0'), channel: '' });
    expect(published.release).toMatchObject({ state: catalogV1.ReleaseState.PUBLISHED });
    // Both again, and nothing changes.
    expect(await catalog.publishRelease({ name: nameOf('2.0.0'), channel: 'stable' })).toEqual(published);
    expect((await draft('2.0.0')).release?.etag).toBe(published.release?.etag);
  });

  it('never changes what is published', async () => {
    await publish('2.1.0');
    await expect(draft('2.1.0', '# changed')).rejects.toMatchObject({ code: 6, reason: 'RELEASE_EXISTS' });
    await catalog.withdrawRelease({ name: nameOf('2.1.0'), reason: 'x' });
    await catalog.withdrawRelease({ name: nameOf('2.1.0'), reason: 'again' });
    await expect(draft('2.1.0')).rejects.toMatchObject({ code: 9, reason: 'RELEASE_WITHDRAWN' });
    await expect(catalog.publishRelease({ name: nameOf('2.1.0'), channel: '' })).rejects.toMatchObject({
      reason: 'RELEASE_WITHDRAWN',
    });
    await expect(catalog.withdrawRelease({ name: nameOf('2.1.0'), reason: '' })).rejects.toMatchObject({ code: 3 });
    await expect(catalog.withdrawRelease({ name: nameOf('9.9.9'), reason: 'x' })).rejects.toMatchObject({ code: 5 });
  });

  it('publishes several at the same time', async () => {
    const read = await host('srv2');
    const versions = Array.from({ length: 6 }, (_, i) => `3.0.${i}`);
    await Promise.all(versions.map((version) => publish(version)));
    for (const version of versions) {
      expect(await read(`encore/${version}/lastcall.yaml`)).toBe(manifest(version));
    }
    expect(await check()).toMatchObject({ release: { version: '3.0.5' } });
    const { releases, nextPageToken } = await catalog.listReleases({
      parent: 'products/encore',
      pageSize: 3,
      pageToken: '',
      states: [catalogV1.ReleaseState.PUBLISHED],
    });
    expect(releases.map((r) => r.version)).toEqual(['3.0.5', '3.0.4', '3.0.3']);
    expect(nextPageToken).not.toBe('');
  });

  it('offers the step in between, moves channels, and keeps to their heads', async () => {
    await publish('4.0.0');
    await publish('5.0.0', 'updatesFrom: { oldest: 4.0.0 }\n');
    const joined = { installation: 'berlin', host: 'old', role: commonV1.HostRole.SERVER, platform: 'linux-x64' };
    const publicKey = Buffer.alloc(32, 1);
    await stack.publish(
      'HostJoined',
      'berlin',
      eventsV1.HostJoined.fromPartial({ ...joined, publicKey, installedVersion: '3.0.0' }),
    );
    await stack.seen('InstalledReleaseChanged', (m) => m.version === '3.0.0');
    expect(await check()).toMatchObject({
      installedVersion: '3.0.0',
      release: { version: '4.0.0' },
      reason: expect.stringContaining('5.0.0 updates from 4.0.0'),
    });
    const name = 'products/encore/channels/stable';
    await catalog.updateChannel({ channel: { name, version: '3.0.5', etag: '' } });
    expect(await check()).toMatchObject({ release: { version: '3.0.5' }, reason: '' });
    const stale = { name, version: '5.0.0', etag: '1' };
    await expect(catalog.updateChannel({ channel: stale })).rejects.toMatchObject({ reason: 'ETAG_MISMATCH' });
    const preview = { name: 'products/encore/channels/preview', version: '5.0.0', etag: '' };
    await expect(catalog.updateChannel({ channel: preview })).rejects.toMatchObject({
      reason: 'RELEASE_NOT_IN_CHANNEL',
    });
    await catalog.publishRelease({ name: nameOf('5.0.0'), channel: 'preview' });
    const { channels } = await catalog.listChannels({ parent: 'products/encore' });
    expect(channels.map((c) => c.version)).toEqual(['5.0.0', '3.0.5']);
  });

  it('shows a release with its manifest and its files', async () => {
    await publish('6.0.0');
    const { release } = await catalog.getRelease({ name: nameOf('6.0.0') });
    expect(release?.manifest.toString()).toBe(manifest('6.0.0'));
    expect(release?.artifacts[0]?.files.map((f) => f.path)).toEqual(['server.js']);
    await expect(catalog.getRelease({ name: nameOf('6.0.1') })).rejects.toMatchObject({ code: 5 });
  });

  it('refuses drafts with every mistake at once', async () => {
    const bad = catalog.createRelease({
      parent: 'products/encore',
      manifest: Buffer.from('product: encore\nversion: x\n'),
      artifacts: [],
      treeBlobs: [],
    });
    await expect(bad).rejects.toMatchObject({
      code: 3,
      violations: expect.arrayContaining([expect.objectContaining({ field: 'manifest:2' })]),
    });
    const unknown = { parent: 'products/unknown', manifest: Buffer.alloc(1), artifacts: [], treeBlobs: [] };
    await expect(catalog.createRelease(unknown)).rejects.toMatchObject({ code: 5 });
  });

  describe('blobs over HTTP', () => {
    const bytes = Buffer.from('0123456789');
    const sha256 = sha256Hex(bytes);
    const leftovers = async (): Promise<string[]> => readdir(join(stack.dataDir, 'catalog', 'blobs', 'incoming'));

    it('are stored once and read whole, in part, and not at all when the reader has them', async () => {
      expect((await put(sha256, bytes)).status).toBe(201);
      expect((await put(sha256, bytes)).status).toBe(200);
      const whole = await get(`/blobs/${sha256}`);
      expect([whole.status, await whole.text()]).toEqual([200, '0123456789']);
      expect(whole.headers.get('cache-control')).toContain('immutable');
      const part = await get(`/blobs/${sha256}`, { range: 'bytes=2-4' });
      expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234']);
      const beyond = await get(`/blobs/${sha256}`, { range: 'bytes=10-' });
      expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */10']);
      const known = await get(`/blobs/${sha256}`, { 'if-none-match': whole.headers.get('etag') ?? '' });
      expect(known.status).toBe(304);
      const head = await fetch(url(`/blobs/${sha256}`), { method: 'HEAD', headers: authorization() });
      expect([head.status, head.headers.get('content-length')]).toEqual([200, '10']);
    });

    it('are refused when they are not what they say', async () => {
      const other = sha256Hex('something else');
      const refused = await put(other, bytes);
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({ violations: [{ field: 'sha256' }] });
      expect((await get(`/blobs/${other}`)).status).toBe(404);
      expect((await put('A'.repeat(64), bytes)).status).toBe(400);
      expect((await put('..%2f..%2fx', bytes)).status).toBe(404);
      expect((await put(sha256Hex('large'), Buffer.alloc(100_001))).status).toBe(413);
      expect(await leftovers()).toEqual([]);
    });

    it('leave nothing when the upload breaks off, and can be sent again', async () => {
      const large = Buffer.alloc(90_000, 'x');
      const name = sha256Hex(large);
      await new Promise<void>((resolve) => {
        const headers = { ...authorization(), 'content-length': large.length };
        const upload = httpRequest(url(`/blobs/${name}`), { method: 'PUT', headers });
        upload.on('error', () => resolve());
        upload.write(large.subarray(0, 40_000), () => upload.destroy());
        upload.on('close', () => resolve());
      });
      expect((await get(`/blobs/${name}`)).status).toBe(404);
      expect((await put(name, large)).status).toBe(201);
      expect((await readFile(blobPath(join(stack.dataDir, 'catalog', 'blobs'), name))).equals(large)).toBe(true);
    });

    it('arrive whole from many at once', async () => {
      const same = Buffer.from('the same bytes from everybody');
      const answers = await Promise.all(Array.from({ length: 12 }, () => put(sha256Hex(same), same)));
      expect(answers.every(({ ok }) => ok)).toBe(true);
      expect(await (await get(`/blobs/${sha256Hex(same)}`)).text()).toBe(same.toString());
    });

    it('are for those who may', async () => {
      const anonymous = await fetch(url(`/blobs/${sha256}`));
      expect(anonymous.status).toBe(401);
      const viewer = await fetch(url(`/blobs/${sha256}`), {
        method: 'PUT',
        body: 'x',
        headers: authorization('viewer'),
      });
      expect(viewer.status).toBe(403);
      expect((await fetch(url('/tuf/timestamp.json'))).status).toBe(401);
      expect((await get('/tuf/99.root.json')).status).toBe(404);
      expect((await get('/tuf/../catalog.db')).status).toBe(404);
      expect((await get(`/tuf/targets/encore/1.0.0/${sha256}.lastcall.yaml`)).status).toBe(404);
    });
  });
}

describe('publishing over SQLite and the embedded bus', () => suite({}));
describeWith('mongodb', 'publishing over MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite({ store: 'mongodb', bus: 'nats' }));
});
