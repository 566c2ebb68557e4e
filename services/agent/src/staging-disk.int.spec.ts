import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reserveSpace } from './disk-reservation.js';
import { layoutOf, makeFolders } from './layout.js';
import { statFreeBytes } from './step-failure.js';
import { sampleRelease } from './testing/sample-release.js';
import { createStagingHost, type StagingHost } from './testing/staging-host.js';
import { startRepository, type TestFile, type TestRepository } from './testing/tuf-repository.js';

/*
 * Staging on disks that are really full, out of records, read-only or forbidden: file systems of our own, where we may have them (Linux, root).
 * Each time: a reason, nothing staged, and when the fault is over the same folder stages.
 */

const files: readonly TestFile[] = [
  { path: 'big.bin', mode: 0o644, bytes: Buffer.alloc(900_000, 'lastcall ') },
  ...Array.from({ length: 20 }, (_, i) => ({
    path: `lib/d${i % 5}/f${i}`,
    mode: 0o644,
    bytes: Buffer.alloc(9_000, `${i} `),
  })),
];
const MAY_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;
const mounts: string[] = [];

function mount(options: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-agent-disk-'));
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  mounts.push(dir);
  return dir;
}

const remount = (dir: string, options: string): void => {
  const { status, stderr } = spawnSync('mount', ['-o', `remount,${options}`, dir], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
};

let repository: TestRepository;
beforeEach(async () => {
  repository = await startRepository('encore');
  repository.publish(sampleRelease('11.0.0', { files }));
});
afterEach(async () => {
  await repository.close();
  for (const dir of mounts.splice(0)) {
    spawnSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true, force: true });
  }
});

async function expectNothing({ releases, layout }: StagingHost): Promise<void> {
  expect(await releases.isStaged('11.0.0')).toBe(false);
  expect(readdirSync(layout.versions)).toEqual([]);
  expect(readdirSync(layout.scratch)).toEqual([]);
}

(MAY_MOUNT ? describe : describe.skip)('a disk', () => {
  it('that is full at any write is told, and every later attempt begins where there is room', async () => {
    const dir = mount('size=6m');
    // The check says that there is room: it is the writes that fail.
    const host = await createStagingHost(join(dir, 'agent'), repository, { freeBytes: () => 1e12 });
    const ballast = join(dir, 'ballast');
    const failures: string[] = [];
    for (let roomBytes = 0; !(await host.releases.isStaged('11.0.0')); roomBytes += 48 * 1024) {
      rmSync(ballast, { force: true });
      const { bavail, bsize } = statfsSync(dir);
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - roomBytes)));
      const failure = await host.failure('11.0.0').catch(() => undefined);
      if (!failure) break;
      failures.push(failure.reason);
      expect(failure).toMatchObject({ reason: 'DISK_FULL', message: expect.stringContaining('free some disk space') });
      await expectNothing(host);
    }
    expect(failures.length).toBeGreaterThan(5);
    const release = await host.releases.load('11.0.0');
    expect(await host.releases.findChanges(release, true, AbortSignal.timeout(9_000))).toEqual([]);
  });

  it('that has no records left for files is told at any of them', async () => {
    const dir = mount('size=16m,nr_inodes=2000');
    const host = await createStagingHost(join(dir, 'agent'), repository);
    const used = (): number => statfsSync(dir).files - statfsSync(dir).ffree;
    let failures = 0;
    for (let records = used() + 3; !(await host.releases.isStaged('11.0.0')); records += 4) {
      remount(dir, `nr_inodes=${Math.max(records, used())}`);
      const failure = await host.failure('11.0.0').catch(() => undefined);
      if (!failure) break;
      failures += 1;
      expect(failure.reason).toBe('DISK_FULL');
      await expectNothing(host);
    }
    expect(failures).toBeGreaterThan(3);
    expect(await host.releases.isStaged('11.0.0')).toBe(true);
  });

  it('that becomes read-only in the middle is told, and is used again when it is not', async () => {
    // Only small files: one that is open for writing would keep the file system from it.
    repository.publish(sampleRelease('11.0.0', { files: files.slice(1) }));
    const dir = mount('size=16m');
    let isTurned = false;
    const host = await createStagingHost(join(dir, 'agent'), repository, {
      onBytes: () => {
        if (!isTurned) remount(dir, 'ro');
        isTurned = true;
      },
    });
    expect(await host.failure('11.0.0')).toMatchObject({ reason: 'FILE_ERROR', facts: { code: 'EROFS' } });
    remount(dir, 'rw');
    await host.stage('11.0.0');
    expect(await host.releases.isStaged('11.0.0')).toBe(true);
  });

  it('that is read-only from the beginning is told', async () => {
    const dir = mount('size=16m');
    const host = await createStagingHost(join(dir, 'agent'), repository);
    remount(dir, 'ro');
    expect(await host.failure('11.0.0')).toMatchObject({ reason: 'FILE_ERROR', facts: { code: 'EROFS' } });
    remount(dir, 'rw');
    await host.stage('11.0.0');
    expect(await host.releases.isStaged('11.0.0')).toBe(true);
  });

  it.each(['blobs', 'blobs/partial', 'versions', 'releases', 'scratch'])(
    'that does not let the agent write to %s any more is told with the path',
    async (folder) => {
      const dir = mount('size=16m,mode=0777');
      const root = join(dir, 'agent');
      const host = await asNobody(() => createStagingHost(root, repository));
      const path = join(root, folder);
      spawnSync('chown', ['root', path]);
      chmodSync(path, 0o755);
      const failure = await asNobody(() => host.failure('11.0.0'));
      expect(failure).toMatchObject({ reason: 'FILE_ERROR', facts: { code: 'EACCES' } });
      expect(failure.message).toContain(path);
      expect(readdirSync(join(root, 'versions'))).toEqual([]);
      chmodSync(path, 0o777);
      await asNobody(() => host.stage('11.0.0'));
      expect(await host.releases.isStaged('11.0.0')).toBe(true);
    },
  );

  const NOBODY = 65_534;
  async function asNobody<T>(work: () => Promise<T>): Promise<T> {
    process.seteuid?.(NOBODY);
    try {
      return await work();
    } finally {
      process.seteuid?.(0);
    }
  }

  it('keeps the space of a download from everybody else, gives it back as it is used, and forgets it with the agent', async () => {
    const dir = mount('size=400m');
    const layout = layoutOf(join(dir, 'agent'));
    makeFolders(layout);
    const before = statFreeBytes(dir);
    const reservation = await reserveSpace(layout, 300e6, statFreeBytes);
    expect(statFreeBytes(dir)).toBeLessThan(before - 200e6);
    expect(() => writeFileSync(join(dir, 'other'), Buffer.alloc(250e6))).toThrow(/ENOSPC/);
    rmSync(join(dir, 'other'));
    const other = layoutOf(join(dir, 'other-agent'));
    makeFolders(other);
    await expect(reserveSpace(other, 350e6, statFreeBytes)).rejects.toMatchObject({
      failure: { reason: 'DISK_FULL', facts: { needed_bytes: '350000000' } },
    });
    reservation.release();
    const again = await reserveSpace(layout, 300e6, statFreeBytes);
    again.left(150e6);
    expect(statFreeBytes(dir)).toBeGreaterThan(before - 100e6);
    again.left(0);
    expect(statSync(join(layout.scratch, 'reserved-for-staging')).size).toBe(0);
    again.release();
    expect(existsSync(join(layout.scratch, 'reserved-for-staging'))).toBe(false);
    expect(statFreeBytes(dir)).toBe(before);
  });
});
