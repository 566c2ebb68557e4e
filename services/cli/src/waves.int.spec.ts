import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from './program.js';
import { createTestIo, type TestIo } from './testing/test-io.js';

/* Releases, ways and waves on the command line, against `lastcall up`. */

describe('lastcall release diff and wave', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-waves-'));
  let stop = (): void => {};
  let up: Promise<number>;

  function io(): TestIo {
    return createTestIo({ LASTCALL_DATA_DIR: join(dir, 'data'), LASTCALL_LOG_LEVEL: 'error' });
  }

  async function lastcall(...args: string[]) {
    const world = io();
    const exitCode = await createProgram(world).run(args);
    return { exitCode, out: world.out.text, err: world.err.text };
  }

  async function publish(version: string, manifest: string, files: Readonly<Record<string, string>>): Promise<void> {
    const folder = join(dir, version);
    mkdirSync(join(folder, 'app'), { recursive: true });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, 'app', path), text);
    const head = `product: encore\nversion: ${version}\ntitle: Encore\nartifacts: [{role: server, directory: app}]\n`;
    writeFileSync(join(folder, 'lastcall.yaml'), head + manifest);
    expect(await lastcall('release', 'publish', folder, '--channel', 'preview')).toMatchObject({
      exitCode: 0,
      err: '',
    });
  }

  beforeAll(async () => {
    const world = io();
    stop = () => world.stop();
    up = createProgram(world).run(['up', '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0']);
    await Promise.race([world.out.shows('Credential'), up.then(() => Promise.reject(new Error(world.err.text)))]);
    await publish('1.0.0', 'commands: {}\n', { same: 'same', changed: 'old', gone: 'x'.repeat(2_048) });
    await publish(
      '1.1.0',
      'requires: { memory: 512 MiB }\ncommands: { server: { start: { run: [node, changed] }, migrate: { run: [node, migrate] }, ' +
        'backup: { run: [node, b] }, verifyBackup: { run: [node, v] }, restore: { run: [node, r] } } }\n',
      { same: 'same', changed: 'newer', moved: 'x'.repeat(2_048), added: 'y'.repeat(1_024) },
    );
    for (const site of ['berlin', 'bonn', 'bremen']) {
      expect((await lastcall('installation', 'add', site, '--product', 'encore')).exitCode).toBe(0);
    }
    expect((await lastcall('installation', 'set', 'berlin', '--group', 'canary')).out).toMatch(/Group +canary/);
  });
  afterAll(async () => {
    stop();
    expect(await up).toBe(0);
    rmSync(dir, { recursive: true });
  });

  it('says what changes between two releases', async () => {
    const { out } = await lastcall('release', 'diff', 'encore', '1.0.0', '1.1.0');
    expect(out.split('\n').map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
      'server on any: 2 added (3.0 KiB), 1 changed (5 B), 1 removed (2.0 KiB), 1 unchanged, 1.0 KiB to fetch',
      'CHANGE | BEFORE | AFTER | FILE',
      'added | 0 B | 1.0 KiB | added',
      'changed | 3 B | 5 B | changed',
      'removed | 2.0 KiB | 0 B | gone',
      'added | 0 B | 2.0 KiB | moved',
      '',
      'A host of each fetches 1.0 KiB in all.',
      '',
      'DATA (it is migrated, so there is a backup before) | BEFORE | AFTER',
      'server.migrate | - | node migrate',
      'server.backup | - | node b',
      'server.verifyBackup | - | node v',
      'server.restore | - | node r',
      '',
      'DEMAND | BEFORE | AFTER',
      'memory | - | 512.0 MiB',
      '',
      'COMMAND | BEFORE | AFTER',
      'server.start | - | node changed',
      '',
    ]);
    const json = JSON.parse(
      (await lastcall('release', 'diff', 'encore', '1.1.0', '1.0.0', '-o', 'json')).out,
    ) as object;
    // What was moved is there already.
    expect(json).toMatchObject({ transferBytes: '3', artifacts: [{ added: 1, removed: 2, changed: 1 }] });
    expect((await lastcall('release', 'diff', 'encore', '1.0.0', '9.9.9')).exitCode).toBe(4);
    expect((await lastcall('release', 'diff', 'encore', '1.0.0', 'new')).exitCode).toBe(2);
  });

  it('brings a release in a wave, and says who is where and why', async () => {
    const stages = ['--stage', 'canary', '--stage', '100%', '--stop-at', '1', '--soak', '1h'];
    const created = await lastcall('wave', 'create', 'spring', 'encore', '1.1.0', '--channel', 'stable', ...stages);
    expect(created).toMatchObject({ exitCode: 0, err: '' });
    expect(created.out).toMatch(/Stages +1\. group canary, 1 installation\n +2\. 100 %, has not begun\nSoaks +1 h/);
    expect(created.out).toMatch(/berlin +1 +canary +- +offered +stage 1 of 2 \(group canary\) has begun/);
    expect(created.out).toMatch(/bonn +2 +- +- +waiting +1\.1\.0 comes in wave spring; bonn is in stage 2 of 2/);
    const check = (site: string) => lastcall('update', 'check', '-i', site);
    expect((await check('berlin')).out).toMatch(/Newer +1\.1\.0 Encore/);
    expect((await check('bonn')).out).toMatch(/Newer +none\nReason +1\.1\.0 comes in wave spring; bonn is in stage 2/);
    const stopped = await lastcall('wave', 'stop', 'spring', '--reason', 'a customer called');
    expect(stopped.out).toMatch(/State +stopped\nWhy +stopped by \S+: a customer called/);
    expect((await check('berlin')).out).toMatch(/Newer +none\nReason +.*was stopped: a customer called/);
    expect((await lastcall('wave', 'resume', 'spring', '--reason', 'it was nothing')).out).toMatch(/State +running/);
    const admitted = await lastcall('wave', 'admit', 'spring', 'bonn', '--reason', 'needs it');
    expect(admitted.out).toMatch(/bonn +2 +- +- +offered, let in +let in by \S+: needs it/);
    expect((await check('bonn')).out).toMatch(/Newer +1\.1\.0/);
    expect((await lastcall('wave', 'list')).out).toMatch(/spring +encore +1\.1\.0 +stable +running +1 of 2/);
    expect((await lastcall('wave', 'abort', 'spring', '--reason', '1.1.1 comes')).out).toMatch(/State +aborted/);
    const resumed = await lastcall('wave', 'resume', 'spring', '--reason', 'x');
    expect(resumed).toMatchObject({ exitCode: 3, err: expect.stringContaining('1.1.1 comes') });
    const shown = await lastcall('wave', 'show', 'spring', '-o', 'json');
    expect(JSON.parse(shown.out)).toMatchObject({ state: 'WAVE_STATE_ABORTED', installations: [{}, {}, {}] });
  });

  it.each([
    [
      'a group without anybody',
      ['--stage', 'vip', '--stage', '100%'],
      3,
      /installation set <installation> --group vip/,
    ],
    ['no stage for the rest', ['--stage', 'canary'], 2, /must end with a stage of 100 percent/],
    ['a threshold that is none', ['--stage', '100%', '--stop-at', '0'], 2, /--stop-at is "0"; write a number from 1/],
    ['no stages', [], 2, /--stage/],
  ])('refuses a wave with %s', async (_, options, exitCode, err) => {
    const refused = await lastcall('wave', 'create', 'no', 'encore', '1.1.0', '--channel', 'stable', ...options);
    expect(refused).toMatchObject({ exitCode, err: expect.stringMatching(err) });
    expect((await lastcall('wave', 'show', 'no')).exitCode).toBe(4);
  });
});
