import { commonV1, installerV1 } from '@lastcall/contracts';
import { knock } from './world/raw-client.js';
import { allOn, remainsOf } from './world/remains.js';
import { createWorld, INSTALLATION, until, type World } from './world/world.js';

/*
 * A host that goes up in smoke in the middle of an install: everything else is back within the deadlines and works, the lost host is
 * quarantined with an alarm that says what to do, and comes back in when a person releases it.
 */

const LIMIT_MS = '10000';
const SETTINGS = {
  installer: {
    LASTCALL_INSTALL_TIMEOUT_MS: LIMIT_MS,
    LASTCALL_ROLLBACK_TIMEOUT_MS: LIMIT_MS,
    LASTCALL_RESULT_GRACE_MS: '200',
  },
};
const QUARANTINED = commonV1.RunOutcome.QUARANTINED;

describe('a host that vanishes for good while it installs', () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld({ pair: 'embedded', settings: SETTINGS });
  }, 180_000);
  afterAll(() => world.stop(), 60_000);

  it('costs only its own users the time until a person has looked', async () => {
    const version = await world.versionOn('srv');
    await world.publish({ version: '1.1.0' });
    const installing = new Promise<void>((resolve) =>
      world.agentOf('ts').onLine((line) => {
        if (line.includes('"step begun"') && line.includes('"step":"verify"')) resolve();
      }),
    );
    const job = await world.update('1.1.0');
    await installing;
    world.agentOf('ts').kill('SIGKILL');
    const run = await world.ended(job);
    expect(run).toMatchObject({ outcome: QUARANTINED, alarm: true, failure: { reason: 'TIMED_OUT', host: 'ts' } });

    const elsewhere = world.users.filter((user) => user.host !== 'ts');
    await world.everybodyIn(20_000, elsewhere);
    const { gate, alarm, shutHosts, data, versions, installed } = await remainsOf(world);
    expect({ gate, alarm, shutHosts }).toEqual({ gate: 'OPEN', alarm: true, shutHosts: ['ts'] });
    expect([data, installed, versions['srv'], versions['desk']]).toEqual([version, version, version, version]);
    expect((await world.gate()).shutHosts['ts']).toContain('lastcall host release-quarantine ts');
    expect(await knock(world, { user: 'newcomer', host: 'ts', version })).toBe('REFUSAL_REASON_HOST_SHUT');

    // The disk is found in a drawer.
    await world.startAgent('ts');
    const name = `installations/${INSTALLATION}/hosts/ts`;
    const connected = async () => (await world.services.installer.getHost({ name })).host?.connected === true;
    await until(connected, 'the agent to be back');
    const undecided = installerV1.QuarantinedData.UNSPECIFIED;
    await world.services.installer.releaseQuarantine({ name, reason: 'disk found', data: undecided });
    await world.everybodyIn(30_000);
    expect(await remainsOf(world)).toEqual(allOn(world, version));
    expect(await knock(world, { user: 'newcomer', host: 'ts', version })).toBe('welcome');

    await world.publish({ version: '1.2.0' });
    expect((await world.ended(await world.update('1.2.0'))).outcome).toBe(commonV1.RunOutcome.SUCCEEDED);
  }, 180_000);
});
