import type { ServiceName } from '@lastcall/contracts';
import { commonV1 } from '@lastcall/contracts';
import { describeWith } from '@lastcall/testkit';
import { join } from 'node:path';
import { AGENT, ROOT } from './world/lastcall-processes.js';
import { allOn, remainsOf, unfairness } from './world/remains.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * Services of this release and of the one before at the same time, as they are while Lastcall itself is upgraded or taken back: one service after
 * the other is replaced, and in each mixture one update succeeds and one is rolled back, on data that both have written.
 *
 * LASTCALL_TEST_PREVIOUS: the checkout of the release before, built. `npm run e2e:neighbours -- REV` makes it and runs this.
 */

const { RunOutcome } = commonV1;
const PREVIOUS = process.env['LASTCALL_TEST_PREVIOUS'] ?? '';
const describeIf = PREVIOUS === '' ? describe.skip : describe;

/** Each way has another mixture in its middle. */
const FORWARD: readonly ServiceName[] = ['session', 'installer', 'catalog', 'scheduler', 'preflight'];
const BACK: readonly ServiceName[] = ['scheduler', 'catalog', 'preflight', 'session', 'installer'];

const AGENTS = [
  ['of this release', AGENT],
  ['of the release before', join(PREVIOUS, 'services/agent/bin/lastcall-agent.js')],
] as const;

describeIf('with the release before (LASTCALL_TEST_PREVIOUS)', () => {
  describeWith('nats', 'with NATS', () => {
    describeWith('mongodb', 'and MongoDB', () => suite());
  });
});

function suite(): void {
  describe.each(AGENTS)('with agents %s', (_, agent) => {
    let world: World;
    let minor = 0;
    beforeAll(async () => {
      world = await createWorld({ pair: 'distributed', root: PREVIOUS, agent });
    }, 180_000);
    afterAll(() => world.stop(), 60_000);

    async function updatesSucceedAndFail(): Promise<void> {
      const version = `1.${++minor}.0`;
      const from = world.users.map(({ log }) => log.length);
      await world.publish({ version });
      const good = await world.ended(await world.update(version), 120_000);
      expect([good.outcome, good.failure]).toEqual([RunOutcome.SUCCEEDED, undefined]);
      const broken = `1.${++minor}.0`;
      await world.publish({ version: broken, unhealthy: true });
      const bad = await world.ended(await world.update(broken), 120_000);
      expect(bad).toMatchObject({ outcome: RunOutcome.ROLLED_BACK, alarm: false });
      await world.everybodyIn();
      expect(await remainsOf(world)).toEqual(allOn(world, version));
      world.users.forEach((user, i) => expect(unfairness(user, from[i] ?? 0)).toEqual([]));
    }

    async function replace(service: ServiceName, root: string): Promise<void> {
      await world.lastcall.replace(service, root);
      // The channel takes its time to find a process that was away.
      await until(async () => (await world.gate()).version !== '', 'an answer');
      await world.everybodyIn();
    }

    it('the release before works by itself', updatesSucceedAndFail, 180_000);
    it.each(FORWARD)(
      '%s is upgraded',
      async (service) => {
        await replace(service, ROOT);
        await updatesSucceedAndFail();
      },
      180_000,
    );
    it.each(BACK)(
      '%s is taken back',
      async (service) => {
        await replace(service, PREVIOUS);
        await updatesSucceedAndFail();
      },
      180_000,
    );
  });
}
