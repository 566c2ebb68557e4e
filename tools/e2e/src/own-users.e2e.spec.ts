import { commonV1, type ServiceName } from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import { describeWith, dropNatsStream } from '@lastcall/testkit';
import { createDeployedNats, describeWithProgram } from './world/own-server.js';
import { allOn, remainsOf } from './world/remains.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * Runs with five processes, each with a user of its own on NATS that may what the table of events says and nothing else, and with no
 * file of the identity but its own. Also after the stream was lost, so that each fills it again from its archive.
 */

const { RunOutcome } = commonV1;
const SERVICES: readonly ServiceName[] = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];

describeWith('mongodb', 'a run by services with users of their own', () => {
  describeWithProgram('nats-server', 'on the NATS of deploy/nats', () => {
    const prefix = randomId('t').replaceAll(/[^a-z0-9]/g, '');
    let nats: Awaited<ReturnType<typeof createDeployedNats>>;
    let world: World;
    beforeAll(async () => {
      nats = await createDeployedNats(prefix);
      await nats.start();
      const settings = Object.fromEntries(SERVICES.map((name) => [name, { LASTCALL_BUS: nats.urlOf(name) }]));
      world = await createWorld({ pair: 'distributed', prefix, nats: nats.urlOf('system'), settings });
    }, 180_000);
    afterAll(async () => {
      await world.stop();
      await nats.remove();
    }, 180_000);

    const linesLike = (pattern: RegExp) => world.lastcall.lines().filter((line) => pattern.test(line));

    async function runTo(version: string, unhealthy = false) {
      await world.publish({ version, unhealthy });
      const run = await world.ended(await world.update(version));
      await world.everybodyIn();
      return run;
    }

    it('succeeds, and is rolled back where it has to be', async () => {
      expect(await runTo('1.1.0')).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false });
      const broken = await runTo('1.2.0', true);
      expect(broken).toMatchObject({ outcome: RunOutcome.ROLLED_BACK, failure: { reason: 'HEALTH_FAILED' } });
      await until(async () => (await remainsOf(world)).installed === '1.1.0', 'the catalog to know 1.1.0');
      expect(await remainsOf(world)).toEqual(allOn(world, '1.1.0'));
    });

    it('succeeds after the stream was lost and each service has filled it again', async () => {
      await dropNatsStream(nats.urlOf('system'), prefix);
      const filled = (service: ServiceName) => linesLike(/the bus has the events of the archive again/).some((line) => line.includes(`"service":"${service}"`)); // prettier-ignore
      await until(() => SERVICES.every(filled), 'each service to have filled the stream');
      expect(await runTo('1.3.0')).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false });
    });

    it('asks for nothing that it may not', () => {
      expect(linesLike(/does not permit|Permissions Violation|an event was given up|is said by/)).toEqual([]);
    });
  });
});
