import { commonV1 } from '@lastcall/contracts';
import { describeWith } from '@lastcall/testkit';
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Pair } from './world/lastcall-processes.js';
import { allOn, remainsOf, unfairness } from './world/remains.js';
import { PARENT } from './world/services.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * kill -9 of each host's agent at each step that it does in a run, on the way there and on the way back. Afterwards everything
 * is on the version of the outcome, data included, the gate is open and nobody was logged off without a notice.
 */

const { RunOutcome } = commonV1;

/** Orders of a run with their steps, as the agents log them: what is killed is checked against what was seen. */
const STAGE_AND_INSTALL = [
  ...['metadata', 'download', 'build', 'verify', 'stop', 'clear', 'swap', 'migrate', 'start', 'health'],
  'settle',
];
const ON_THE_WAY_THERE = {
  srv: ['facts', 'backup', 'prove', 'seal', ...STAGE_AND_INSTALL],
  ts: ['facts', ...STAGE_AND_INSTALL, 'first-start'],
  desk: ['facts', ...STAGE_AND_INSTALL],
} as const;
const ON_THE_WAY_BACK = ['stop', 'clear', 'swap', 'restore', 'start', 'health'];

type HostId = keyof typeof ON_THE_WAY_THERE;
const HOST_IDS: readonly HostId[] = ['srv', 'ts', 'desk'];

interface BegunStep {
  readonly action: string;
  readonly step: string;
}

/** What the line of an agent's log says was begun. */
function begunIn(line: string): BegunStep | undefined {
  if (!line.includes('"step begun"')) return undefined;
  return JSON.parse(line) as BegunStep;
}

function suite(pair: Pair): void {
  describe(`crash walk of the agents, ${pair}`, () => {
    let world: World;
    let minor = 0;
    const seen = new Set<string>();
    const killed = new Set<string>();
    beforeAll(async () => {
      world = await createWorld({ pair });
    }, 180_000);
    afterAll(() => world.stop(), 60_000);

    /** Resolves when the agent has begun the step; remembers all that it begins. */
    function nextBegun(host: HostId, wanted: string, way: 'there' | 'back'): Promise<void> {
      return new Promise((resolve) =>
        world.agentOf(host).onLine((line) => {
          const begun = begunIn(line);
          if (!begun) return;
          const back = begun.action === 'roll-back-release';
          seen.add(`${host} ${back ? 'back' : 'there'} ${begun.step}`);
          if (begun.step === wanted && back === (way === 'back')) resolve();
        }),
      );
    }

    async function killAt(host: HostId, step: string, way: 'there' | 'back', version: string): Promise<string> {
      const reached = nextBegun(host, step, way);
      const job = await world.update(version);
      await reached;
      killed.add(`${host} ${way} ${step}`);
      await world.killAndRestartAgent(host);
      return job;
    }

    async function expectAllOn(version: string, before: readonly number[]): Promise<void> {
      await world.everybodyIn();
      expect(await remainsOf(world)).toEqual(allOn(world, version));
      world.users.forEach((user, i) => expect(unfairness(user, before[i] ?? 0)).toEqual([]));
    }

    const logLengths = (): number[] => world.users.map((user) => user.log.length);

    describe.each(HOST_IDS)('%s', (host) => {
      it.each(ON_THE_WAY_THERE[host])('is killed at %s, and the update is finished', async (step) => {
        const version = `1.${++minor}.0`;
        const before = logLengths();
        await world.publish({ version });
        const run = await world.ended(await killAt(host, step, 'there', version));
        expect([run.outcome, run.failure]).toEqual([RunOutcome.SUCCEEDED, undefined]);
        await expectAllOn(version, before);
      });

      it.each(host === 'srv' ? ON_THE_WAY_BACK : ON_THE_WAY_BACK.filter((step) => step !== 'restore'))(
        'is killed at %s of the way back, and everything is back',
        async (step) => {
          const version = await world.versionOn('srv');
          const broken = `1.${++minor}.0`;
          const before = logLengths();
          await world.publish({ version: broken });
          damageStaged(host === 'desk' ? 'ts' : 'desk', broken);
          const run = await world.ended(await killAt(host, step, 'back', broken));
          expect(run).toMatchObject({ outcome: RunOutcome.ROLLED_BACK, failure: { reason: 'STAGED_CHANGED' } });
          await expectAllOn(version, before);
        },
      );
    });

    /** As soon as everything is staged: the server has been updated, data and all, when this host refuses. */
    function damageStaged(host: HostId, version: string): void {
      const program = join(world.dirOf(host), 'versions', version, 'client.js');
      void world.lastcall.nextSaid('StagingCompleted').then(() => appendFileSync(program, '\n// not as signed'));
    }

    it('srv is killed as it removes a restore point, and those that are too many go', async () => {
      const recorded = async (): Promise<string[]> => {
        const { backups } = await world.services.preflight.listBackups({ parent: PARENT, pageSize: 0, pageToken: '' });
        return backups.filter((backup) => backup.deleteTime === undefined).map((backup) => backup.restorePoint);
      };
      expect((await recorded()).length).toBeGreaterThan(1);
      const reached = nextBegun('srv', 'remove', 'there');
      await world.services.preflight.updateBackupPolicy({ parent: PARENT, policy: { keep: 1 } });
      await reached;
      killed.add('srv there remove');
      await world.killAndRestartAgent('srv');
      await until(async () => (await recorded()).length === 1, 'one restore point to be left');
      expect(readdirSync(join(world.dirOf('srv'), 'backups'))).toEqual(await recorded());
    });

    it('was killed at each step that an agent was seen to begin', () => {
      expect(seen.size).toBeGreaterThan(0);
      expect([...seen].filter((step) => !killed.has(step))).toEqual([]);
    });
  });
}

suite('embedded');
describeWith('nats', 'with NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('distributed'));
});
