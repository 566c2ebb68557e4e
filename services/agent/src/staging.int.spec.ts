import { sha256Hex, WITHDRAWN_FIELD } from '@lastcall/kernel';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleRelease } from './testing/sample-release.js';
import { createStagingHost, type StagingHost } from './testing/staging-host.js';
import { sendRange, startRepository, type TestFile, type TestRepository } from './testing/tuf-repository.js';

/*
 * Staging against a real signed repository over HTTP that is spoiled in every way. After each: what remained on the disk.
 */

const signal = new AbortController().signal;
const BIG = Buffer.alloc(700_000, 'lastcall ');
const bigFile: TestFile = { path: 'big.bin', mode: 0o644, bytes: BIG };
const bigSha = sha256Hex(BIG);

describe('staging', () => {
  let dir: string;
  let repository: TestRepository;
  let host: StagingHost;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lastcall-agent-'));
    repository = await startRepository('encore');
    repository.publish(sampleRelease('11.0.0', { files: [bigFile] }), sampleRelease('11.1.0', { files: [bigFile] }));
    host = await createStagingHost(dir, repository);
  });
  afterEach(async () => {
    await repository.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const isStaged = (version: string): Promise<boolean> => host.releases.isStaged(version);

  it('fetches a release, then of the next one only what has changed', async () => {
    expect(await host.stage('11.0.0')).toMatchObject({ kind: 'stage', reusedBytes: 0, fileCount: 5 });
    repository.requests.length = 0;
    const second = await host.stage('11.1.0');
    expect(second).toMatchObject({ downloadedBytes: 6, fileCount: 5 });
    expect(repository.requests.filter((path) => path.startsWith('/blobs/'))).toEqual([`/blobs/${sha256Hex('11.1.0')}`]);
    const release = await host.releases.load('11.1.0');
    expect(await host.releases.findChanges(release, true, signal)).toEqual([]);
    expect(statSync(join(dir, 'versions/11.1.0/bin/tool')).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(dir, 'versions/11.1.0/big.bin')).equals(BIG)).toBe(true);
  });

  it('is done at once when it was done before', async () => {
    await host.stage('11.0.0');
    repository.requests.length = 0;
    expect(await host.stage('11.0.0')).toMatchObject({ downloadedBytes: 0 });
    expect(repository.requests.filter((path) => path.startsWith('/blobs/'))).toEqual([]);
  });

  it('gives files of the same bytes and another mode an inode of their own', async () => {
    const twin = (mode: number): TestFile => ({ path: 'twin', mode, bytes: Buffer.from('the same') });
    repository.publish(
      sampleRelease('1.0.0', { files: [twin(0o644)] }),
      sampleRelease('1.1.0', { files: [twin(0o755)] }),
    );
    await host.stage('1.0.0');
    await host.releases.swapTo('1.0.0');
    await host.stage('1.1.0');
    const modes = ['1.0.0', '1.1.0'].map((v) => statSync(join(dir, 'versions', v, 'twin')).mode & 0o777);
    expect(modes).toEqual([0o644, 0o755]);
  });

  it('continues a download that broke off, with a range, also in another process', async () => {
    const ranges: (string | undefined)[] = [];
    let cuts = 0;
    repository.intercept = (request, response) => {
      if (request.url !== `/blobs/${bigSha}`) return false;
      ranges.push(request.headers.range);
      if (cuts++ === 0) {
        response.writeHead(200, { 'content-length': BIG.byteLength });
        response.write(BIG.subarray(0, 300_000), () => response.destroy());
        return true;
      }
      sendRange(request, response, BIG);
      return true;
    };
    await host.stage('11.0.0');
    expect(ranges).toHaveLength(2);
    expect(Number(/\d+/.exec(ranges[1] ?? '')?.[0])).toBeGreaterThan(0);

    rmSync(join(dir, 'blobs', bigSha.slice(0, 2)), { recursive: true });
    rmSync(join(dir, 'versions', '11.0.0'), { recursive: true });
    writeFileSync(join(dir, 'blobs/partial', bigSha), BIG.subarray(0, 500_000));
    const later = await createStagingHost(dir, repository);
    expect(await later.stage('11.0.0')).toMatchObject({ downloadedBytes: 200_000 });
    expect(ranges.at(-1)).toBe('bytes=500000-');
  });

  it('starts over when what it has is not the beginning of the file', async () => {
    writeFileSync(join(dir, 'blobs/partial', bigSha), 'something else');
    await host.stage('11.0.0');
    expect(await isStaged('11.0.0')).toBe(true);
  });

  it('starts over when the server does not know ranges', async () => {
    writeFileSync(join(dir, 'blobs/partial', bigSha), BIG.subarray(0, 1_000));
    repository.intercept = (request, response) => {
      if (request.url === `/blobs/${bigSha}`) response.end(BIG);
      return request.url === `/blobs/${bigSha}`;
    };
    await host.stage('11.0.0');
    expect(await isStaged('11.0.0')).toBe(true);
  });

  it.each([
    ['changed', Buffer.from(BIG).fill('x', 100, 101)],
    ['too long', Buffer.concat([BIG, Buffer.from('!')])],
  ])('refuses a blob that is %s, and keeps nothing of it', async (_, bytes) => {
    repository.served.set(`/blobs/${bigSha}`, bytes);
    const failure = await host.failure('11.0.0');
    expect(failure).toMatchObject({ reason: 'BLOB_CHANGED', facts: { path: 'big.bin', sha256: bigSha } });
    expect(await isStaged('11.0.0')).toBe(false);
    expect(existsSync(join(dir, 'blobs/partial', bigSha))).toBe(false);
    expect(existsSync(join(dir, 'blobs', bigSha.slice(0, 2), bigSha))).toBe(false);
  });

  it('gives up a blob that is always too short, keeps what came, and says so', async () => {
    repository.intercept = (request, response) => {
      if (request.url !== `/blobs/${bigSha}`) return false;
      if (request.headers.range === undefined) response.end(BIG.subarray(0, 1_000));
      else response.writeHead(206).end();
      return true;
    };
    const failure = await host.failure('11.0.0');
    expect(failure.reason).toBe('DOWNLOAD_INCOMPLETE');
    expect(statSync(join(dir, 'blobs/partial', bigSha)).size).toBe(1_000);
    repository.intercept = undefined;
    await host.stage('11.0.0');
    expect(await isStaged('11.0.0')).toBe(true);
  });

  it('says which file the catalog has lost', async () => {
    repository.served.delete(`/blobs/${bigSha}`);
    expect((await host.failure('11.0.0')).reason).toBe('BLOB_NOT_FOUND');
  });

  it.each([
    ['expired', { expiresInMs: -1_000 }, 'METADATA_EXPIRED'],
    ['with a date that never expires', { expires: '9999' }, 'METADATA_MALFORMED'],
    ['signed by a stranger (timestamp)', { forge: 'timestamp' as const }, 'METADATA_NOT_SIGNED'],
    ['signed by a stranger (snapshot)', { forge: 'snapshot' as const }, 'METADATA_NOT_SIGNED'],
    ['signed by a stranger (targets)', { forge: 'targets' as const }, 'METADATA_NOT_SIGNED'],
    ['signed by a stranger (releases)', { forge: 'releases' as const }, 'METADATA_NOT_SIGNED'],
  ])('refuses metadata that is %s, and recovers', async (_, spoiled, reason) => {
    repository.sign(spoiled);
    const failure = await host.failure('11.0.0');
    expect(failure.reason).toBe(reason);
    expect(repository.requests.some((path) => path.startsWith('/blobs/'))).toBe(false);
    expect(await isStaged('11.0.0')).toBe(false);
    repository.sign();
    await host.stage('11.0.0');
    expect(await isStaged('11.0.0')).toBe(true);
  });

  it('refuses an older timestamp than it has seen', async () => {
    await host.stage('11.0.0');
    const old = repository.served.get('/tuf/timestamp.json') as Buffer;
    repository.sign();
    await host.stage('11.0.0');
    repository.served.set('/tuf/timestamp.json', old);
    expect((await host.failure('11.1.0')).reason).toBe('METADATA_ROLLED_BACK');
  });

  it('refuses a target whose bytes are not those that were signed', async () => {
    for (const [path, bytes] of repository.served) {
      if (path.endsWith('.tree.json'))
        repository.served.set(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from(' ')]));
    }
    expect((await host.failure('11.0.0')).reason).toBe('TEXT_CHANGED');
  });

  it('refuses a signed tree that leads out of its folder', async () => {
    const escape: TestFile = { path: '../escape', mode: 0o644, bytes: Buffer.from('x') };
    repository.publish(sampleRelease('12.0.0', { files: [escape] }));
    const failure = await host.failure('12.0.0');
    expect(failure).toMatchObject({ reason: 'RELEASE_NOT_USABLE' });
    expect(existsSync(join(dir, 'versions/escape'))).toBe(false);
  });

  it('knows what is not there', async () => {
    expect((await host.failure('9.9.9')).reason).toBe('RELEASE_NOT_FOUND');
    repository.publish(sampleRelease('13.0.0', { role: 'workstation' }));
    expect((await host.failure('13.0.0')).reason).toBe('NO_ARTIFACT');
    await repository.close();
    expect((await host.failure('11.0.0')).reason).toBe('CATALOG_NOT_REACHABLE');
  });

  it('refuses a release that the snapshot says was withdrawn, although the lists name it', async () => {
    repository.sign({ edit: { snapshot: (json) => (json[WITHDRAWN_FIELD] = ['encore/11.1.0', 'other/11.0.0']) } });
    const failure = await host.failure('11.1.0');
    expect(failure).toMatchObject({ reason: 'RELEASE_WITHDRAWN', facts: { product: 'encore', version: '11.1.0' } });
    expect(await host.source.listVersions('encore', signal)).toEqual(['11.0.0']);
    await host.stage('11.0.0');
    repository.sign();
    await host.stage('11.1.0');
    expect(await isStaged('11.1.0')).toBe(true);
  });

  it('does not begin what does not fit, and says how much is needed', async () => {
    const full = await createStagingHost(dir, repository, { freeBytes: () => 500_000 });
    const failure = await full.failure('11.0.0');
    expect(failure).toMatchObject({ reason: 'DISK_FULL', facts: { free_bytes: '500000' } });
    expect(Number(failure.facts['needed_bytes'])).toBeGreaterThan(BIG.byteLength);
    expect(repository.requests.some((path) => path.startsWith('/blobs/'))).toBe(false);
  });

  it('repairs a staged version that was changed, and a blob that a version changed in place', async () => {
    await host.stage('11.0.0');
    writeFileSync(join(dir, 'versions/11.0.0/big.bin'), 'changed in place');
    expect(await host.stage('11.0.0')).toMatchObject({ downloadedBytes: BIG.byteLength });
    expect(readFileSync(join(dir, 'versions/11.0.0/big.bin')).equals(BIG)).toBe(true);
  });

  it('refuses other files under the version that is installed', async () => {
    await host.stage('11.0.0');
    await host.releases.swapTo('11.0.0');
    repository.publish(sampleRelease('11.0.0'));
    expect((await host.failure('11.0.0')).reason).toBe('RELEASE_REPLACED');
  });

  it('keeps the last three versions and removes what is older', async () => {
    repository.publish(sampleRelease('11.2.0'), sampleRelease('11.3.0'), sampleRelease('11.4.0'));
    const versions = ['11.0.0', '11.1.0', '11.2.0', '11.3.0'];
    for (const version of versions) {
      await host.stage(version);
      await host.releases.swapTo(version);
    }
    await host.stage('11.4.0');
    const there = await Promise.all([...versions, '11.4.0'].map(isStaged));
    expect(there).toEqual([false, true, true, true, true]);
    const blobOf = (text: string) => join(dir, 'blobs', sha256Hex(text).slice(0, 2), sha256Hex(text));
    expect([existsSync(blobOf('11.0.0')), existsSync(blobOf('11.1.0'))]).toEqual([false, true]);
  });

  it('collects a stage that nobody came for, and none that is installed, wanted or young', async () => {
    await host.stage('11.0.0');
    await host.releases.swapTo('11.0.0');
    await host.stage('11.1.0');
    const blob = join(dir, 'blobs', sha256Hex('11.1.0').slice(0, 2), sha256Hex('11.1.0'));
    const later = Date.now() + 31 * 86_400_000;
    expect(await host.staging.collectStale(new Set(), Date.now())).toEqual([]);
    expect(await host.staging.collectStale(new Set(['11.1.0']), later)).toEqual([]);
    expect([await isStaged('11.1.0'), existsSync(blob)]).toEqual([true, true]);
    expect(await host.staging.collectStale(new Set(), later)).toEqual(['11.1.0']);
    expect([await isStaged('11.1.0'), existsSync(blob)]).toEqual([false, false]);
    const changes = await host.releases.findChanges(await host.releases.load('11.0.0'), true, signal);
    expect([changes, await isStaged('11.0.0')]).toEqual([[], true]);
  });
});

const mounted = tryMount();
(mounted ? describe : describe.skip)('a disk that is really full', () => {
  afterAll(() => {
    if (!mounted) return;
    spawnSync('umount', ['-l', mounted]);
    rmSync(mounted, { recursive: true, force: true });
  });

  it('is told apart, and staging succeeds when there is room again', async () => {
    const dir = join(mounted ?? '', 'agent');
    const repository = await startRepository('encore');
    try {
      const big = { path: 'big.bin', mode: 0o644, bytes: Buffer.alloc(4_000_000, 'x') };
      repository.publish(sampleRelease('11.0.0', { files: [big] }));
      // The figure says that there is room; the disk says that there is none.
      const host = await createStagingHost(dir, repository, { freeBytes: () => 1e12 });
      const ballast = join(mounted ?? '', 'ballast');
      writeFileSync(ballast, Buffer.alloc(5_000_000));
      expect(await host.failure('11.0.0')).toMatchObject({ reason: 'DISK_FULL' });
      expect(await host.releases.isStaged('11.0.0')).toBe(false);
      rmSync(ballast);
      await host.stage('11.0.0');
      expect(await host.releases.isStaged('11.0.0')).toBe(true);
    } finally {
      await repository.close();
    }
  });
});

/** A small file system of our own, where we may have one. */
function tryMount(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-agent-disk-'));
  mkdirSync(dir, { recursive: true });
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir]).status === 0 ? dir : undefined;
}
