import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { hostOrderV1 } from '@lastcall/contracts';
import { until } from '@lastcall/testkit';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sampleRelease } from './testing/sample-release.js';
import { startTestHost, type TestHost } from './testing/test-host.js';

/*
 * Backups by orders, on disks that are full, read-only or taken away in the middle (Linux, root), and what the host has afterwards: a reason, nothing half, and when the fault is over a
 * backup. Then what is done with restore points besides: looked at again, and removed.
 */

type Action = NonNullable<hostOrderV1.HostOrder['action']>;

const product = 'encore';
const backup = (restorePoint = 'rp-1'): Action => ({ $case: 'takeBackup', value: { product, restorePoint } });
const restore: Action = { $case: 'restoreBackup', value: { product, restorePoint: 'rp-1' } };
const verify: Action = { $case: 'verifyBackup', value: { product, restorePoint: 'rp-1' } };
const remove = (...restorePoints: string[]): Action => ({
  $case: 'deleteBackups',
  value: { product, restorePoints },
});
const MAY_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;
const MIB = 2 ** 20;

let host: TestHost;
const mounts: string[] = [];
beforeEach(async () => {
  host = await startTestHost(new Server(), ServerCredentials.createInsecure());
  host.repository.publish(sampleRelease('11.0.0'));
  await host.join();
  await host.install('11.0.0');
});
afterEach(async () => {
  await host.stop();
  for (const dir of mounts.splice(0)) spawnSync('umount', ['-l', dir]);
  await host.close();
});

const send = (action: Action): Promise<hostOrderV1.OrderResult> => host.edge.result(host.edge.order(action));
const reasonOf = async (action: Action): Promise<string | undefined> => (await send(action)).failure?.reason;
const remains = (): string[] => readdirSync(join(host.dir, 'backups'));
/** The backup command copies db.json. */
const fill = (bytes: number): void =>
  writeFileSync(
    join(host.dir, 'data/db.json'),
    JSON.stringify({ schema: '11.0.0', more: randomBytes(bytes / 2).toString('hex') }),
  );

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

function mountBackups(size: string): string {
  const dir = join(host.dir, 'backups');
  mkdirSync(dir, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir);
  mounts.push(dir);
  return dir;
}

(MAY_MOUNT ? describe : describe.skip)('the disk of backups', () => {
  it('that is full at any write is told, nothing is left, and later there is a backup', async () => {
    const dir = mountBackups('8m');
    fill(2 * MIB);
    // The check says that there is room: it is the writes that fail.
    await host.start({ freeBytes: () => 1e12 });
    const ballast = join(dir, 'ballast');
    const reasons: (string | undefined)[] = [];
    for (let roomBytes = MIB, n = 0; n < 12; roomBytes += 512 * 1024, n++) {
      rmSync(ballast, { force: true });
      const { bavail, bsize } = statfsSync(dir);
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - roomBytes)));
      const reason = await reasonOf(backup(`rp-${n}`));
      if (reason === undefined) break;
      reasons.push(reason);
      expect(remains()).toEqual(['ballast']);
    }
    expect(reasons.length).toBeGreaterThan(2);
    // A command that cannot write says so with its exit code; what the agent itself cannot write it knows.
    expect(new Set(reasons)).toEqual(new Set(['COMMAND_FAILED', 'DISK_FULL']));
    expect(remains().length).toBe(2);
  });

  it('that cannot be written to is told, and used when it can', async () => {
    const dir = mountBackups('16m');
    await host.start();
    run('mount', '-o', 'remount,ro', dir);
    expect((await send(backup())).failure).toMatchObject({ reason: 'FILE_ERROR', facts: { code: 'EROFS' } });
    run('mount', '-o', 'remount,rw', dir);
    expect(await reasonOf(backup())).toBeUndefined();
    expect(remains()).toEqual(['rp-1']);
  });

  it('that vanishes while it is written to is told, and used when it is back', async () => {
    const dir = mountBackups('16m');
    await host.start();
    host.behave({ '11.0.0 backup': 'hang' });
    const order = host.edge.order(backup());
    await until(() => existsSync(join(dir, '.taking-rp-1')), 'the backup to be begun');
    run('umount', '-l', dir);
    host.behave({});
    const { failure } = await host.edge.result(order);
    expect(['COMMAND_FAILED', 'FILE_ERROR']).toContain(failure?.reason);
    expect(remains()).toEqual([]);
    expect(await reasonOf(backup())).toBeUndefined();
    expect(remains()).toEqual(['rp-1']);
  });

  it('with no room for what is brought back lets nothing be stopped', async () => {
    fill(2 * MIB);
    let free = 1e12;
    await host.start({ freeBytes: (dir) => (dir.includes('scratch') ? free : 1e12) });
    expect(await reasonOf(backup())).toBeUndefined();
    free = MIB;
    for (const action of [restore, verify]) expect(await reasonOf(action)).toBe('DISK_FULL');
    expect(host.calls()).not.toContain('11.0.0 stop');
    free = 1e12;
    expect(await reasonOf(restore)).toBeUndefined();
  });
});

describe('a restore point', () => {
  const damage = (): void => {
    const file = join(host.dir, 'backups/rp-1/archive.tar.zst');
    const bytes = readFileSync(file);
    bytes[30] = (bytes[30] ?? 0) ^ 4;
    writeFileSync(file, bytes);
  };

  it('is looked at by the release that made it, and does not count when that is not content', async () => {
    await host.start();
    const taken = await send(backup());
    expect(taken.evidence?.value).toMatchObject({ verified: true, keyId: '', folder: join(host.dir, 'backups/rp-1') });
    const { evidence, failure } = await send(verify);
    expect([failure, evidence?.$case]).toEqual([undefined, 'backup']);
    expect(host.calls().slice(-2)).toEqual(['11.0.0 verifyBackup', '11.0.0 verifyBackup']);
    host.behave({ '11.0.0 verifyBackup': 'fail' });
    expect(await reasonOf(verify)).toBe('COMMAND_FAILED');
    expect(await lastBackup()).toBeUndefined();
    host.behave({});
    expect(await reasonOf(verify)).toBeUndefined();
    expect(await lastBackup()).toBe('rp-1');
    damage();
    expect(await reasonOf(verify)).toBe('BACKUP_CHANGED');
    expect(await lastBackup()).toBeUndefined();
    expect(readdirSync(join(host.dir, 'scratch'))).toEqual([]);
  });

  async function lastBackup(): Promise<string | undefined> {
    const { evidence } = await send({ $case: 'collectFacts', value: { product, version: '' } });
    if (evidence?.$case !== 'facts') throw new Error('no facts');
    expect(evidence.value.backupNeededBytes).toBe(2n * evidence.value.dataBytes);
    return evidence.value.lastBackup?.restorePoint;
  }

  it('is removed by an order, never the newest one, and one that is gone is no failure', async () => {
    await host.start();
    for (const name of ['rp-1', 'rp-2', 'rp-3']) expect(await reasonOf(backup(name))).toBeUndefined();
    expect(await reasonOf(remove('rp-1', 'rp-0'))).toBeUndefined();
    expect(remains()).toEqual(['rp-2', 'rp-3']);
    expect(await reasonOf(remove('rp-3', 'rp-2'))).toBe('BACKUP_IS_NEWEST');
    expect(remains()).toEqual(['rp-3']);
    for (const names of [[], ['../data'], Array.from({ length: 1_001 }, (_, i) => `rp-${i}`)]) {
      expect((await send(remove(...names))).failure).toMatchObject({
        reason: 'INVALID_ORDER',
        message: expect.stringContaining('restore_points'),
      });
    }
  });

  it('is encrypted where the host has a key, and restored with it only', async () => {
    const keyFile = join(host.dir, 'backup.keys');
    writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    const record = join(host.dir, 'agent.json');
    const before = JSON.parse(readFileSync(record, 'utf8')) as object;
    writeFileSync(record, JSON.stringify({ ...before, backupKeyFile: keyFile }));
    await host.start();
    const { evidence } = await send(backup());
    expect(evidence).toMatchObject({ value: { keyId: expect.stringMatching(/^[0-9a-f]{16}$/) } });
    const key = readFileSync(keyFile);
    rmSync(keyFile);
    expect(await reasonOf(restore)).toBe('BACKUP_KEY_UNUSABLE');
    writeFileSync(keyFile, '0'.repeat(64), { mode: 0o600 });
    expect((await send(restore)).failure).toMatchObject({
      reason: 'BACKUP_KEY_MISSING',
      message: expect.stringContaining('backupKeyFile'),
    });
    expect(host.calls()).not.toContain('11.0.0 stop');
    writeFileSync(keyFile, key, { mode: 0o600 });
    expect(await reasonOf(restore)).toBeUndefined();
    expect(host.lines.join('\n')).not.toContain(key.toString('utf8'));
  });
});
