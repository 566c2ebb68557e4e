import { createProgram } from '@lastcall/cli';
import { preflightV1 } from '@lastcall/contracts';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { PARENT } from './world/services.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * Restore points with the real services, the real agent and the command line: taken, rotated, looked at again, damaged on purpose and refused,
 * restored; and one of another tool beside them.
 */

class Screen extends Writable {
  text = '';
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

describe('backups', () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld({ pair: 'embedded', users: 0, hosts: [{ id: 'srv', role: 'server' }] });
  }, 120_000);
  afterAll(() => world.stop(), 60_000);

  async function lastcall(...args: readonly string[]) {
    const [out, err] = [new Screen(), new Screen()];
    const { grpcAddress, operatorTokenFile } = world.lastcall;
    const env = { LASTCALL_ADDR: grpcAddress, LASTCALL_TOKEN_FILE: operatorTokenFile };
    const io = {
      env,
      out,
      err,
      isTerminal: false,
      columns: () => 200,
      stopped: () => new Promise<void>(() => undefined),
    };
    const exitCode = await createProgram(io).run(args);
    return { exitCode, out: out.text, err: err.text };
  }
  const list = async () =>
    (await world.services.preflight.listBackups({ parent: PARENT, pageSize: 0, pageToken: '' })).backups;
  const find = async (restorePoint: string) => (await list()).find((b) => b.restorePoint === restorePoint);
  const onHost = (): string[] => readdirSync(join(world.dirOf('srv'), 'backups'));

  async function take(): Promise<string> {
    const { exitCode, out, err } = await lastcall('backup', 'take', '-o', 'json');
    if (exitCode !== 0) throw new Error(err);
    const { restorePoint } = preflightV1.Backup.fromJSON(JSON.parse(out));
    return restorePoint;
  }

  it('are rotated: the oldest goes from the host, and its record says so', async () => {
    expect(await lastcall('backup', 'policy', '--keep', '0')).toMatchObject({ exitCode: 2 });
    expect((await lastcall('backup', 'policy', '--keep', '2')).out).toContain('2 restore points stay');
    const taken = [await take(), await take(), await take()];
    await until(async () => (await find(taken[0] ?? ''))?.deleteTime !== undefined, 'the oldest to go');
    expect(onHost().toSorted()).toEqual(taken.slice(1).toSorted());
    expect(await find(taken[2] ?? '')).toMatchObject({ protectedBy: 'newest', verified: true, deleting: false });
    const gone = await lastcall('backup', 'restore', taken[0] ?? '', '--confirm', taken[0] ?? '');
    expect(gone).toMatchObject({ exitCode: 3, err: expect.stringContaining('lastcall backup list') });
    const { out } = await lastcall('backup', 'list');
    expect(out).toContain('ON DISK');
    expect(out).toMatch(/deleted 20\d\d-/);
  });

  it('are looked at again, restored, and refused when they were damaged', async () => {
    await world.enter('kept');
    const restorePoint = await take();
    await world.enter('lost');
    const verified = await lastcall('backup', 'verify', restorePoint);
    expect(verified).toMatchObject({ exitCode: 0, out: expect.stringContaining('is whole, verified') });
    const restored = await lastcall('backup', 'restore', restorePoint, '--confirm', restorePoint);
    expect(restored).toMatchObject({ exitCode: 0, out: expect.stringContaining(`\nrestored ${restorePoint}\n`) });
    expect((await world.data()).entries).toEqual(['kept']);

    const archive = join(world.dirOf('srv'), 'backups', restorePoint, 'archive.tar.zst');
    const bytes = readFileSync(archive);
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    writeFileSync(archive, bytes);
    const refused = await lastcall('backup', 'restore', restorePoint, '--confirm', restorePoint);
    expect(refused).toMatchObject({ exitCode: 1, out: expect.stringContaining('is not what it was') });
    expect((await world.data()).entries).toEqual(['kept']);
    const damaged = await lastcall('backup', 'verify', restorePoint);
    expect(damaged).toMatchObject({
      exitCode: 1,
      out: expect.stringMatching(/\ndamaged: .*archive\.tar\.zst: bytes 0-/),
    });
    expect(await find(restorePoint)).toMatchObject({ verified: false, failure: { reason: 'BACKUP_CHANGED' } });
    const again = await lastcall('backup', 'restore', restorePoint, '--confirm', restorePoint);
    expect(again.exitCode).toBe(3);
  });

  it('of another tool are recorded with what speaks for them', async () => {
    const file = join(world.dir, 'full.bak');
    writeFileSync(file, 'all of it');
    const report = (...args: string[]) => lastcall('backup', 'report', ...args);
    const earlier = new Date(Date.now() - 3_600_000).toISOString();
    const later = new Date(Date.now() + 3_600_000).toISOString();
    expect((await report('--taken-at', earlier)).exitCode).toBe(2);
    expect((await report('--taken-at', earlier, '--proof-file', `${file}.not`)).exitCode).toBe(2);
    expect((await report('--taken-at', earlier, '--command', 'false')).exitCode).toBe(1);
    const future = await report('--taken-at', later, '--proof-file', file);
    expect(future).toMatchObject({ exitCode: 2, err: expect.stringContaining('in the future') });
    expect(await report('--taken-at', earlier, '--proof-file', file)).toMatchObject({ exitCode: 0 });
    const [reported] = (await list()).filter(({ proof }) => proof !== undefined);
    expect(reported).toMatchObject({ host: '', verified: true, sizeBytes: 9n, proof: { evidence: { $case: 'file' } } });
    const name = reported?.restorePoint ?? '';
    const restored = await lastcall('backup', 'restore', name, '--confirm', name);
    expect(restored).toMatchObject({ exitCode: 3, err: expect.stringContaining('a tool of your own') });
    expect((await lastcall('backup', 'list')).out).toContain('reported by');
  });
});
