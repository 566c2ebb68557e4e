import { commonV1 } from '@lastcall/contracts';
import { allOn, eventsOf, remainsOf, unfairness } from './world/remains.js';
import { createWorld, type World } from './world/world.js';

/*
 * A release that is healthy once and dies soon after: it is watched behind the shut gate, and everything goes back, data included,
 * before anybody could work with it.
 */

const SETTINGS = { installer: { LASTCALL_SETTLE_MS: '60000' } };

describe('a release that does not stay healthy', () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld({ pair: 'embedded', settings: SETTINGS });
  }, 180_000);
  afterAll(() => world.stop(), 60_000);

  it('is rolled back before the gate opens', async () => {
    const version = await world.versionOn('srv');
    await world.enter('kept');
    await world.publish({ version: '1.1.0' });
    const before = world.users.map((user) => user.log.length);
    let restarted = 0;
    world.agentOf('srv').onLine((line) => {
      if (!line.includes('"step begun"')) return;
      const back = line.includes('"action":"roll-back-release"');
      if (line.includes('"step":"settle"')) void world.trouble('health', 'fails');
      // The old version is well again.
      if (back && line.includes('"step":"stop"')) void world.trouble('health', 'none').then(() => restarted++);
    });
    const run = await world.ended(await world.update('1.1.0'));
    expect(run).toMatchObject({
      outcome: commonV1.RunOutcome.ROLLED_BACK,
      alarm: false,
      failure: { reason: 'HEALTH_LOST', host: 'srv' },
    });
    expect(restarted).toBe(1);
    expect(eventsOf(run)).not.toContain('InstallationUpdated');
    await world.everybodyIn();
    expect(await remainsOf(world)).toEqual(allOn(world, version, ['kept']));
    world.users.forEach((user, i) => expect(unfairness(user, before[i] ?? 0)).toEqual([]));
  }, 180_000);
});
