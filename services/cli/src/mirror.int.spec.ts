import { sha256Hex } from '@lastcall/kernel';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from './program.js';
import { createTestIo, type TestIo } from './testing/test-io.js';

/* A stick between two Lastcalls, on the command line. */

describe('lastcall mirror', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-mirror-'));
  const stick = join(dir, 'stick');
  const running: { stop: () => void; up: Promise<number> }[] = [];

  const io = (where: string): TestIo =>
    createTestIo({ LASTCALL_DATA_DIR: join(dir, where), LASTCALL_LOG_LEVEL: 'error' });

  async function at(where: 'vendor' | 'site', ...args: string[]) {
    const world = io(where);
    const exitCode = await createProgram(world).run(args);
    return { exitCode, out: world.out.text, err: world.err.text };
  }

  async function start(where: string): Promise<void> {
    const world = io(where);
    const up = createProgram(world).run(['up', '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0']);
    running.push({ stop: () => world.stop(), up });
    await Promise.race([world.out.shows('Credential'), up.then(() => Promise.reject(new Error(world.err.text)))]);
  }

  function release(version: string): string {
    const folder = join(dir, `encore-${version}`);
    mkdirSync(join(folder, 'app'), { recursive: true });
    writeFileSync(join(folder, 'app', 'same'), 'x'.repeat(50_000));
    writeFileSync(join(folder, 'app', 'serve'), version);
    const manifest = `product: encore\nversion: ${version}\ntitle: Encore\nartifacts: [{role: server, directory: app}]\ncommands: {}\n`;
    writeFileSync(join(folder, 'lastcall.yaml'), manifest);
    return folder;
  }

  const carry = async () => JSON.parse((await at('vendor', 'mirror', 'export', '--to', stick, '-o', 'json')).out) as { fetchedBytes: number; root: string; releases: number }; // prettier-ignore
  const take = (...more: string[]) => at('site', 'mirror', 'import', '--from', stick, ...more);
  const rootFile = join(stick, 'tuf', 'root.json');

  beforeAll(async () => {
    await start('vendor');
    await start('site');
    expect((await at('vendor', 'release', 'publish', release('1.0.0'))).exitCode).toBe(0);
  }, 120_000);
  afterAll(async () => {
    for (const { stop } of running) stop();
    for (const { up } of running) expect(await up).toBe(0);
    rmSync(dir, { recursive: true });
  });

  it('writes only what the folder does not have', async () => {
    const first = await carry();
    expect(first).toMatchObject({ releases: 1, root: sha256Hex(readFileSync(rootFile)) });
    expect(first.fetchedBytes).toBeGreaterThan(50_000);
    expect((await carry()).fetchedBytes).toBeLessThan(10_000);
    const { out } = await at('vendor', 'mirror', 'export', '--to', stick);
    expect(out).toMatch(/Root +[0-9a-f]{64}; the first import asks for it\nGood until +\d{4}-.*; export again before/);
    expect((await at('vendor', 'mirror', 'export', '--to', stick, '--channel', 'preview')).err).toMatch(/offers no release/); // prettier-ignore
    expect((await at('vendor', 'mirror', 'export', '--to', stick, '--only', '9.9.9')).exitCode).toBe(2);
  });

  it('refuses a folder that is none, a root that nobody named, and one of somebody else', async () => {
    const none = await at('site', 'mirror', 'import', '--from', dir);
    expect(none).toMatchObject({ exitCode: 2, err: expect.stringMatching(/no folder of "lastcall mirror export"/) });
    const unasked = await take();
    expect(unasked).toMatchObject({ exitCode: 2, err: expect.stringMatching(/nobody can be asked.*--root/s) });
    const other = await take('--root', 'ab'.repeat(32));
    expect(other).toMatchObject({ exitCode: 3, err: expect.stringMatching(/comes from another catalog/) });
    expect((await take('--root', join(dir, 'nothing'))).exitCode).toBe(2);
    expect((await at('site', 'mirror', 'show')).out).toMatch(/signs by itself/);
  });

  it('refuses a damaged folder, and goes on where it was when that is repaired', async () => {
    const blob = readdirSync(join(stick, 'blobs')).find((name) => statSync(join(stick, 'blobs', name)).size === 50_000);
    const damaged = join(stick, 'blobs', blob ?? '');
    writeFileSync(damaged, 'y'.repeat(50_000));
    const refused = await take('--root', rootFile);
    expect(refused).toMatchObject({ exitCode: 1, err: expect.stringMatching(/damaged, and nothing was imported/) });
    expect((await at('site', 'mirror', 'show')).out).toMatch(/signs by itself/);
    rmSync(damaged);
    expect((await take('--root', rootFile)).err).toMatch(/lacks the file/);
    await carry();
    const { out, err, exitCode } = await take('--root', rootFile);
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
    expect(out).toMatch(/importing 1 file \(48\.8 KiB\)[^]*Published +encore 1\.0\.0\n[^]*Good until +.*; import again before/); // prettier-ignore
  });

  it('is the catalog of the site from then on, and signs nothing', async () => {
    expect((await at('site', 'release', 'list')).out).toMatch(/1\.0\.0 +.*published/);
    expect((await at('site', 'mirror', 'show')).out).toMatch(/Root +version 1, pinned [0-9a-f]{64}\nPublication +\d+/);
    const own = await at('site', 'release', 'publish', release('2.0.0'));
    expect(own).toMatchObject({ exitCode: 3, err: expect.stringMatching(/mirror of another one and signs nothing/) });
    expect((await at('site', 'release', 'promote', 'encore', '1.0.0', '--channel', 'preview')).exitCode).toBe(0);
    expect((await take()).out).toMatch(/Published +nothing new/);
    // A mirror can be mirrored: the same signed files, the same root.
    const again = await at('site', 'mirror', 'export', '--to', join(dir, 'next-stick'), '-o', 'json');
    expect(JSON.parse(again.out)).toMatchObject({ releases: 1, root: sha256Hex(readFileSync(rootFile)) });
  });

  it('learns what is new, and what was withdrawn', async () => {
    expect((await at('vendor', 'release', 'publish', release('1.1.0'))).exitCode).toBe(0);
    expect((await at('vendor', 'release', 'withdraw', 'encore', '1.0.0', '--reason', 'loses data')).exitCode).toBe(0);
    // The bytes that both share were carried before.
    expect((await carry()).fetchedBytes).toBeLessThan(20_000);
    const { out } = await take('--channel', 'preview');
    expect(out).toMatch(/Published +encore 1\.1\.0\nWithdrawn +encore 1\.0\.0\n/);
    expect((await at('site', 'release', 'list')).out).toMatch(/1\.1\.0 +.*published[^]*1\.0\.0 +.*withdrawn/);
  });
});
