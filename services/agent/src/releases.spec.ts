import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutOf, makeFolders, type Layout } from './layout.js';
import { createPlatform } from './platform/platform.js';
import { createReleases } from './releases.js';

describe('the swap', () => {
  let layout: Layout;
  beforeEach(() => {
    layout = layoutOf(mkdtempSync(join(tmpdir(), 'lastcall-swap-')));
    makeFolders(layout);
    for (const version of ['11.0.0', '11.1.0']) {
      mkdirSync(join(layout.versions, version));
      mkdirSync(join(layout.releases, version));
    }
  });
  afterEach(() => rmSync(layout.root, { recursive: true, force: true }));

  it('begins with nothing and remembers where it came from', async () => {
    const releases = createReleases(layout, 'encore');
    expect([await releases.installedVersion(), await releases.previousVersion()]).toEqual(['', '']);
    await releases.swapTo('11.0.0');
    await releases.swapTo('11.1.0');
    expect([await releases.installedVersion(), await releases.previousVersion()]).toEqual(['11.1.0', '11.0.0']);
    expect(readlinkSync(layout.current)).toBe('versions/11.1.0');
  });

  it('changes nothing when it is repeated, and goes back', async () => {
    const releases = createReleases(layout, 'encore');
    for (const version of ['11.0.0', '11.1.0', '11.1.0']) await releases.swapTo(version);
    expect(await releases.previousVersion()).toBe('11.0.0');
    await releases.swapTo('11.0.0');
    expect(await releases.installedVersion()).toBe('11.0.0');
  });

  it('goes over what a killed agent left', async () => {
    symlinkSync('versions/unfinished', `${layout.current}.next`);
    const releases = createReleases(layout, 'encore');
    await releases.swapTo('11.0.0');
    expect(await releases.installedVersion()).toBe('11.0.0');
    expect(readdirSync(layout.root).filter((name) => name.endsWith('.next'))).toEqual([]);
  });

  it('goes by junctions on Windows, and is put right when it was cut off between their renames', async () => {
    const releases = createReleases(layout, 'encore', createPlatform('win32'));
    await releases.swapTo('11.0.0');
    await releases.swapTo('11.1.0');
    expect([await releases.installedVersion(), await releases.previousVersion()]).toEqual(['11.1.0', '11.0.0']);
    expect(readlinkSync(layout.current)).toBe(join(layout.versions, '11.1.0'));
    renameSync(layout.current, `${layout.current}.before`);
    symlinkSync(join(layout.versions, '11.0.0'), `${layout.current}.next`);
    expect(await releases.installedVersion()).toBe('');
    await releases.settle();
    expect(await releases.installedVersion()).toBe('11.1.0');
    await releases.swapTo('11.0.0');
    expect([await releases.installedVersion(), await releases.previousVersion()]).toEqual(['11.0.0', '11.1.0']);
  });

  it('refuses a version that is not staged and leaves the current one', async () => {
    const releases = createReleases(layout, 'encore');
    await releases.swapTo('11.0.0');
    rmSync(join(layout.releases, '11.1.0'), { recursive: true });
    await expect(releases.swapTo('11.1.0')).rejects.toMatchObject({ failure: { reason: 'NOT_STAGED' } });
    expect(await releases.installedVersion()).toBe('11.0.0');
  });

  it('never shows anything but a whole version to whoever looks meanwhile', async () => {
    const releases = createReleases(layout, 'encore');
    await releases.swapTo('11.0.0');
    const seen = new Set<string>();
    let done = false;
    const looking = (async () => {
      while (!done) {
        seen.add(readlinkSync(layout.current));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let i = 0; i < 50; i++) await releases.swapTo(i % 2 === 0 ? '11.1.0' : '11.0.0');
    done = true;
    await looking;
    expect([...seen].every((target) => /^versions\/11\.[01]\.0$/.test(target))).toBe(true);
  });
});
