import { until } from '@lastcall/testkit';
import { createWaveSites, type WaveSites } from './world/wave-sites.js';

/*
 * A wave across three installations with real services, real agents and a real operator: both canaries roll back, the wave stops by
 * itself, the third installation never hears of the release until a person resumes it.
 */

const CANARIES = ['berlin', 'bonn'];

describe('a wave across three installations', () => {
  let sites: WaveSites;
  beforeAll(async () => {
    sites = await createWaveSites([...CANARIES, 'bremen'], '1.0.0');
  }, 180_000);
  afterAll(async () => {
    if (sites) await sites.stop();
  });

  const wave = async () => (await sites.lastcall('wave', 'show', 'spring')).text;
  const updateNow = (site: string) => sites.lastcall('update', 'now', '-i', site, '--yes', '--watch');

  it('stops when its canaries came back, and goes on when a person says so', async () => {
    await sites.publish({ version: '2.0.0' }, 'preview');
    for (const site of CANARIES) {
      expect(await sites.lastcall('installation', 'set', site, '--group', 'canary')).toMatchObject({ exitCode: 0 });
      await sites.failMigration(site, true);
    }
    const stages = ['--stage', 'canary', '--stage', '100%', '--stop-at', '2', '--soak', '1s'];
    const created = await sites.lastcall('wave', 'create', 'spring', 'tiny', '2.0.0', '--channel', 'stable', ...stages);
    expect(created).toMatchObject({ exitCode: 0 });

    for (const site of CANARIES) expect(await updateNow(site)).toMatchObject({ exitCode: 1 });
    await until(async () => /State +stopped/.test(await wave()), 'the wave to stop');
    expect(await wave()).toMatch(/berlin +1 +canary +1\.0\.0 +rolled-back/);
    expect(await wave()).toMatch(/bonn +1 +canary +1\.0\.0 +rolled-back/);
    expect(await wave()).toMatch(/bremen +2 +- +1\.0\.0 +waiting/);
    for (const site of CANARIES) expect(await sites.versionOn(site)).toBe('1.0.0');
    const asked = await updateNow('bremen');
    expect(asked.text).toContain(
      'Nothing to update: 2.0.0 comes in wave spring, which was stopped: 2 of 2 installations',
    );
    const forced = await sites.lastcall('update', 'now', '-i', 'bremen', '--version', '2.0.0', '--yes', '--watch');
    expect(forced).toMatchObject({ exitCode: 3, text: expect.stringContaining('comes in wave spring') });
    expect(await sites.versionOn('bremen')).toBe('1.0.0');

    const because = 'both had a full disk';
    expect(await sites.lastcall('wave', 'resume', 'spring', '--reason', because)).toMatchObject({ exitCode: 0 });
    await until(async () => /2\. 100 %, 1 installation/.test(await wave()), 'the second stage');
    expect(await updateNow('bremen')).toMatchObject({ exitCode: 0 });
    await until(async () => /State +done/.test(await wave()), 'the wave to be done');
    expect(await sites.versionOn('bremen')).toBe('2.0.0');
    await sites.failMigration('berlin', false);
    expect(await updateNow('berlin')).toMatchObject({ exitCode: 0 });
    expect(await sites.versionOn('berlin')).toBe('2.0.0');
  }, 300_000);
});
