import { commonV1 } from '@lastcall/contracts';
import { createTempFolder, findFreePorts, type Child } from '@lastcall/testkit';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LASTCALL, startProgram } from './world/lastcall-processes.js';
import { run } from './world/seat.js';
import { writeTinyRelease } from './world/tiny-product.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * A site without internet: a vendor's catalog, a stick, and a whole Lastcall at the site that never reaches the vendor's. Everything real.
 */

describe('a site without internet', () => {
  let folder: Awaited<ReturnType<typeof createTempFolder>>;
  let vendor: Child;
  let world: World;
  const path = (name: string): string => join(folder.path, name);

  async function atVendor(...args: readonly string[]): Promise<string> {
    const { code, text } = await run(LASTCALL, args, { LASTCALL_DATA_DIR: path('vendor') });
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${text}`);
    return text;
  }

  async function publish(version: string): Promise<void> {
    await atVendor('release', 'publish', await writeTinyRelease(path('releases'), { version, paddingBytes: 100_000 }));
  }

  const atSite = (...args: readonly string[]) =>
    run(LASTCALL, args, {
      LASTCALL_ADDR: world.lastcall.grpcAddress,
      LASTCALL_CATALOG_URL: world.lastcall.catalogUrl,
      LASTCALL_TOKEN_FILE: world.lastcall.operatorTokenFile,
    });

  beforeAll(async () => {
    folder = await createTempFolder('mirror');
    const [grpc, http] = await findFreePorts(2);
    const where = ['--grpc', `127.0.0.1:${grpc}`, '--http', `127.0.0.1:${http}`];
    vendor = startProgram(LASTCALL, ['up', '--data', path('vendor'), ...where]);
    await vendor.until(/is running/, 60_000);
    await publish('1.0.0');
    await atVendor('mirror', 'export', '--to', path('stick'));
    cpSync(path('stick'), path('old-stick'), { recursive: true });
    const root = join(path('stick'), 'tuf', 'root.json');
    world = await createWorld({
      pair: 'embedded',
      users: 1,
      hosts: [
        { id: 'srv', role: 'server' },
        { id: 'ts', role: 'terminal-server' },
      ],
      firstRelease: (at) => at(LASTCALL, ['mirror', 'import', '--from', path('stick'), '--root', root]),
    });
  }, 600_000);
  afterAll(async () => {
    await world.stop();
    await vendor.stop();
    await folder.remove();
  }, 60_000);

  it('installs what came on the stick, and is told until when that holds', async () => {
    const shown = await atSite('mirror', 'show');
    expect(shown.text).toMatch(/Good until +\d{4}-\d\d-\d\d .*; import again before/);
    expect(await Promise.all(world.hosts.map(({ id }) => world.versionOn(id)))).toEqual(world.hosts.map(() => '1.0.0'));
  });

  it('updates every host from the same stick, carried again without the vendor', async () => {
    await publish('1.1.0');
    const exported = await atVendor('mirror', 'export', '--to', path('stick'), '-o', 'json');
    const { releases } = JSON.parse(exported.slice(exported.lastIndexOf('{'))) as { releases: number };
    expect(releases).toBe(2);
    await vendor.stop();
    const imported = await atSite('mirror', 'import', '--from', path('stick'));
    expect(imported).toMatchObject({ code: 0, text: expect.stringMatching(/Published +tiny 1\.1\.0/) });
    expect((await atSite('release', 'list')).text).toMatch(/1\.1\.0 .*published[^]*1\.0\.0 .*published/);
    const ended = await world.ended(await world.update('1.1.0'));
    expect(ended.outcome).toBe(commonV1.RunOutcome.SUCCEEDED);
    for (const { id } of world.hosts) await until(async () => (await world.versionOn(id)) === '1.1.0', id);
  }, 300_000);

  it('refuses the stick of before, a damaged one and a part of one, in words', async () => {
    const old = await atSite('mirror', 'import', '--from', path('old-stick'));
    expect(old).toMatchObject({ code: 3, text: expect.stringMatching(/refused.*Nothing was changed/s) });
    rmSync(join(path('old-stick'), 'tuf', 'timestamp.json'));
    const part = await atSite('mirror', 'import', '--from', path('old-stick'));
    expect(part).toMatchObject({ code: 2, text: expect.stringMatching(/or only a part of one/) });
    expect((await atSite('release', 'list')).text).toMatch(/1\.1\.0 .*published/);
  });
});
