import { commonV1, type EventType } from '@lastcall/contracts';
import { describeWith, mongodbUrl } from '@lastcall/testkit';
import { createCuttableLine } from './world/cuttable-line.js';
import { createMongod, createNatsServer, isOnPath, type OwnServer } from './world/own-server.js';
import { allOn, remainsOf, reportOf, unfairness } from './world/remains.js';
import { createWorld, until, type World } from './world/world.js';

/*
 * NATS killed and started again, and the line to MongoDB cut and mended, while a run is at each of its steps: the run ends with its
 * true outcome, nobody was logged off unfairly, the gate is open, and everything is on one version.
 */

const { RunOutcome } = commonV1;

/** A moment before anything, one while the users are told, one while nobody may be inside, one while hosts change, and one at the door. */
const MOMENTS: readonly EventType[] = ['RunStarted', 'NoticeSent', 'BackupTaken', 'InstallStarted', 'FirstStartProven'];

interface Outage {
  begin(): Promise<void>;
  end(): Promise<void>;
}

interface Backends {
  readonly nats: OwnServer;
  /** Where the services find MongoDB. */
  readonly mongodb: string;
  readonly outages: Readonly<Record<string, Outage>>;
  remove(): Promise<void>;
}

const outageOf = ({ kill, start }: Pick<OwnServer, 'kill' | 'start'>): Outage => ({ begin: kill, end: start });

async function withCuttableLine(): Promise<Backends> {
  const nats = await createNatsServer();
  await nats.start();
  const line = await createCuttableLine(mongodbUrl() ?? '');
  return {
    nats,
    mongodb: line.url,
    outages: { NATS: outageOf(nats), MongoDB: { begin: () => line.cut(), end: () => line.mend() } },
    remove: async () => {
      await line.remove();
      await nats.remove();
    },
  };
}

async function withOwnMongod(): Promise<Backends> {
  const [nats, mongod] = await Promise.all([createNatsServer(), createMongod()]);
  await Promise.all([nats.start(), mongod.start()]);
  return {
    nats,
    mongodb: mongod.url,
    outages: { MongoDB: outageOf(mongod) },
    remove: async () => {
      await Promise.all([mongod.remove(), nats.remove()]);
    },
  };
}

function suite(name: string, open: () => Promise<Backends>, outages: readonly string[]): void {
  describe(name, () => {
    let backends: Backends;
    let world: World;
    let minor = 0;
    const entries: string[] = [];
    beforeAll(async () => {
      backends = await open();
      const { nats, mongodb } = backends;
      world = await createWorld({ pair: 'distributed', nats: nats.url, mongodb });
    }, 180_000);
    afterAll(async () => {
      await world.stop();
      await backends.remove();
    }, 180_000);

    /** What the catalog's process says of itself. */
    const isReady = async (): Promise<boolean> => (await fetch(`${world.lastcall.catalogUrl}/readyz`)).ok;

    /** From the moment when the event is on its way until the services have noticed it. */
    async function outageAt(event: EventType, what: string): Promise<void> {
      await world.lastcall.nextSaid(event);
      const outage = backends.outages[what];
      await outage?.begin();
      await until(async () => !(await isReady()), `the outage of ${what} to be noticed`);
      await outage?.end();
    }

    async function runWithOutage(event: EventType, what: string, release: { version: string; unhealthy?: boolean }) {
      entries.push(`before ${release.version}`);
      await world.enter(`before ${release.version}`);
      await world.publish(release);
      const logs = world.users.map((user) => user.log.length);
      const outage = outageAt(event, what);
      const job = await world.update(release.version);
      await outage;
      const run = await world.ended(job);
      await world.everybodyIn();
      expect(world.users.flatMap((user, i) => unfairness(user, logs[i] ?? 0))).toEqual([]);
      const report = await reportOf(world, run);
      expect([report.outcome, report.reason]).toEqual([run.outcome, run.failure?.reason]);
      return run;
    }

    async function expectAllOn(version: string): Promise<void> {
      // The catalog takes in what the hosts have now; it may be the last to hear of it.
      await until(async () => (await remainsOf(world)).installed === version, `the catalog to know ${version}`);
      expect(await remainsOf(world)).toEqual(allOn(world, version, entries));
      await until(isReady, 'the catalog to be ready again');
    }

    const cases = outages.flatMap((what) => MOMENTS.map((event) => [what, event] as const));

    it.each(cases)(
      '%s is away at %s: the run goes on to its end',
      async (what, event) => {
        const version = `1.${++minor}.0`;
        const run = await runWithOutage(event, what, { version });
        expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false, failure: undefined });
        await expectAllOn(version);
      },
      90_000,
    );

    it.each(outages)(
      '%s is away when all hosts are back: that is what the run ends with',
      async (what) => {
        const before = await world.versionOn('srv');
        const broken = { version: `1.${++minor}.0`, unhealthy: true };
        const run = await runWithOutage('InstallationRolledBack', what, broken);
        expect(run).toMatchObject({
          outcome: RunOutcome.ROLLED_BACK,
          alarm: false,
          failure: { reason: 'HEALTH_FAILED' },
        });
        await expectAllOn(before);
      },
      90_000,
    );
  });
}

const natsOnPath = isOnPath('nats-server');
const withNats = (name: string, isThere: boolean, run: () => void): void =>
  natsOnPath && isThere ? run() : describe.skip(`${name}`, () => it('was not run', () => undefined));

describeWith('mongodb', 'a run', () => {
  withNats('outages (needs nats-server on the PATH)', true, () => {
    suite('while NATS is killed, or the line to MongoDB cut', withCuttableLine, ['NATS', 'MongoDB']);
  });
});
withNats('restart of MongoDB (needs nats-server and mongod on the PATH)', isOnPath('mongod'), () => {
  suite('a run while mongod is killed', withOwnMongod, ['MongoDB']);
});
