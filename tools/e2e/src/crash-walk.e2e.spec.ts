import { commonV1, EVENT_TYPES, EVENTS, installerV1, sessionV1, type EventType } from '@lastcall/contracts';
import { describeWith } from '@lastcall/testkit';
import { rmSync } from 'node:fs';
import type { Pair } from './world/lastcall-processes.js';
import { unfairness } from './world/remains.js';
import { storedBlobOf } from './world/stored-blobs.js';
import { createWorld, INSTALLATION, until, type World } from './world/world.js';

/*
 * kill -9 at every event of a run: the process that is saying it dies while it is on its way, and comes back (the hosts' agents
 * have a walk of their own). Afterwards the run has an
 * outcome, its report tells the truth, every host and the data are on the version of that outcome, the gate is open (or
 * there is an alarm), and nobody was logged off without a notice or let in meanwhile.
 */

const { RunOutcome } = commonV1;
const NAME = `installations/${INSTALLATION}`;

/** Events of a run that succeeds. */
const GOOD: readonly EventType[] = [
  'RunStarted',
  'HostOrderIssued',
  'HostOrderCompleted',
  'HostOrderProgressed',
  'PreflightPassed',
  'StagingCompleted',
  'GateClosed',
  'NoticeSent',
  'SessionsDrained',
  'BackupTaken',
  'DrainConfirmed',
  'InstallStarted',
  'HostUpdated',
  'InstallationUpdated',
  'InstalledReleaseChanged',
  'FirstStartProven',
  'GateReopened',
  'RunFinished',
];

/** Said when somebody changes something, not in a run; each has a test of its own below. */
const OUTSIDE_RUNS: readonly EventType[] = ['InstallationChanged', 'ReleaseWithdrawn', 'TokenRevoked', 'HostJoined'];

function suite(pair: Pair): void {
  describe(`crash walk, ${pair}`, () => {
    let world: World;
    let patch = 0;
    const covered = new Set<EventType>(['HostJoined']);
    beforeAll(async () => {
      world = await createWorld({ pair });
    }, 180_000);
    afterAll(() => world.stop(), 60_000);

    const nextVersion = (suffix = ''): string => `1.${++patch}.0${suffix}`;
    const current = (): Promise<string> => world.versionOn('srv');

    async function killAt(type: EventType, during: () => Promise<unknown>): Promise<void> {
      const said = world.lastcall.nextSaid(type);
      // Not awaited until the kill: what is under way must be able to fail.
      const doing = during().catch((error: unknown) => error);
      const { service } = await said;
      await world.lastcall.killAndRestart(service);
      await doing;
      // The channel takes its time to find a process that was away.
      await until(
        async () => (await world.services.catalog.getInstallation({ name: NAME })).installation !== undefined,
        'an answer',
      );
      covered.add(type);
    }

    async function consistent(version: string): Promise<void> {
      for (const { id } of world.hosts) expect([id, await world.versionOn(id)]).toEqual([id, version]);
      expect((await world.data()).version).toBe(version);
      await world.everybodyIn();
      expect(await world.gate()).toMatchObject({
        state: sessionV1.GateState.OPEN,
        version,
        alarm: false,
        shutHosts: {},
      });
      // What a process had in hand when it was killed comes again when the bus has waited for its word.
      await until(async () => {
        const { installation } = await world.services.catalog.getInstallation({ name: NAME });
        return installation?.installedVersion === version;
      }, `the catalog to know of ${version}`);
    }

    it.each(GOOD)('goes on to the end when it is killed at %s', async (event) => {
      const version = nextVersion();
      // A step that is over at once is not worth a word: progress is said of what takes its time.
      await world.publish({ version, troubles: event === 'HostOrderProgressed' ? { migrate: 'slow' } : {} });
      const before = world.users.map((user) => user.log.length);
      let job = '';
      await killAt(event, async () => {
        job = await world.update(version);
      });
      const run = await world.ended(job || `job-${patch}`);
      expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, phase: 'ended', alarm: false });
      await consistent(version);
      world.users.forEach((user, i) => expect(unfairness(user, before[i] ?? 0)).toEqual([]));
    });

    it('brings everything back, data included, when it is killed while it rolls back', async () => {
      const version = await current();
      const broken = nextVersion();
      await world.enter('before the rollback');
      await world.publish({ version: broken, unhealthy: true });
      let job = '';
      await killAt('InstallationRolledBack', async () => (job = await world.update(broken)));
      expect((await world.ended(job)).outcome).toBe(RunOutcome.ROLLED_BACK);
      await consistent(version);
      expect((await world.data()).entries).toContain('before the rollback');
    });

    it('lets users in again when the checks fail', async () => {
      const version = await current();
      const demanding = nextVersion();
      await world.publish({ version: demanding, requires: '  cpus: 1024' });
      let job = '';
      await killAt('PreflightFailed', async () => (job = await world.update(demanding)));
      const run = await world.ended(job);
      expect(run).toMatchObject({ outcome: RunOutcome.FAILED, failure: { reason: 'NOT_READY' } });
      await consistent(version);
    });

    it('lets users in again when there is no backup', async () => {
      const version = await current();
      const next = nextVersion();
      await world.publish({ version: next });
      await world.failCommand('backup', true);
      let job = '';
      await killAt('BackupFailed', async () => (job = await world.update(next)));
      expect((await world.ended(job)).outcome).toBe(RunOutcome.FAILED);
      await world.failCommand('backup', false);
      await consistent(version);
    });

    it('disturbs nobody when a host cannot stage', async () => {
      const version = await current();
      const next = nextVersion();
      await world.publish({ version: next });
      rmSync(storedBlobOf(world, next, 'server/release.json'));
      const before = world.users.map((user) => user.log.length);
      let job = '';
      await killAt('StagingFailed', async () => (job = await world.update(next)));
      expect((await world.ended(job)).outcome).toBe(RunOutcome.FAILED);
      await consistent(version);
      world.users.forEach((user, i) => {
        expect(user.log.slice(before[i]).filter(({ what }) => what === 'told' || what === 'off')).toEqual([]);
      });
    });

    it('ends a run whose gate a person opened', async () => {
      const version = await current();
      const next = nextVersion();
      await world.publish({ version: next });
      const noticed = world.lastcall.nextSaid('NoticeSent');
      const job = await world.update(next, { reactionTime: { seconds: 30n, nanos: 0 } });
      await noticed;
      await killAt('DrainFailed', () =>
        world.services.session.openGate({ name: `${NAME}/gate`, reason: 'The hospital needs it.' }),
      );
      expect((await world.ended(job)).outcome).toBe(RunOutcome.FAILED);
      await consistent(version);
    });

    it.each(['RunCancelRequested', 'RunCancelled'] as const)(
      'ends a cancelled run when it is killed at %s',
      async (event) => {
        const version = await current();
        const next = nextVersion();
        await world.publish({ version: next });
        const noticed = world.lastcall.nextSaid('NoticeSent');
        const job = await world.update(next, { reactionTime: { seconds: 30n, nanos: 0 } });
        await noticed;
        const { runs } = await world.services.scheduler.listRuns({ parent: NAME, pageSize: 1, pageToken: '', job });
        await killAt(event, () =>
          world.services.scheduler.cancelRun({ name: runs[0]?.name ?? '', reason: 'not tonight' }),
        );
        expect((await world.ended(job)).outcome).toBe(RunOutcome.CANCELLED);
        await consistent(version);
        for (const user of world.users) expect(user.log.slice(-1)[0]?.what).not.toBe('off');
      },
    );

    it('opens the gate at the end of a maintenance window when it is killed while that begins', async () => {
      const before = world.users.map((user) => user.log.length);
      const window = { type: commonV1.JobType.MAINTENANCE_WINDOW, closedFor: { seconds: 2n, nanos: 0 } };
      let job = '';
      await killAt('MaintenanceBegun', async () => (job = await world.update('', window)));
      expect(await world.ended(job)).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false });
      await consistent(await current());
      world.users.forEach((user, i) => expect(unfairness(user, before[i] ?? 0)).toEqual([]));
    });

    it('runs an action of the release when it is killed while that begins and ends, and tells of one that failed', async () => {
      const version = nextVersion();
      await world.publish({ version, action: true });
      expect((await world.ended(await world.update(version))).outcome).toBe(RunOutcome.SUCCEEDED);
      const command = { type: commonV1.JobType.RUN_COMMAND, command: 'reindex' };
      for (const event of ['CommandsStarted', 'CommandsRun', 'CommandsFailed'] as const) {
        await world.failCommand('reindex', event === 'CommandsFailed');
        let job = '';
        await killAt(event, async () => (job = await world.update('', command)));
        const outcome = event === 'CommandsFailed' ? RunOutcome.FAILED : RunOutcome.SUCCEEDED;
        expect([event, await world.ended(job)]).toMatchObject([event, { outcome, alarm: false }]);
      }
      await world.failCommand('reindex', false);
      await consistent(version);
    });

    it('announces a planned run when it is killed while that is said', async () => {
      const version = nextVersion();
      await world.publish({ version });
      const before = world.users.map((user) => user.log.length);
      const localTime = new Date(Date.now() + 30 * 60_000).toISOString().slice(0, 19);
      await killAt('RunPlanned', () =>
        world.update(version, { start: { condition: { $case: 'time', value: { localTime } } } }),
      );
      const isTold = (): boolean =>
        world.users.every((user, i) => user.log.slice(before[i]).some(({ what }) => what === 'told'));
      await until(isTold, 'everybody to be told of the planned run');
      await consistent(await current());
    });

    it.each([
      ['RehearsalPassed', ''],
      ['RehearsalFailed', '  cpus: 1024'],
    ] as const)('rehearses a planned run once when it is killed at %s', async (event, requires) => {
      const version = nextVersion();
      await world.publish({ version, requires });
      const localTime = new Date(Date.now() + 30 * 60_000).toISOString().slice(0, 19);
      let job = '';
      await killAt(event, async () => {
        job = await world.update(version, { start: { condition: { $case: 'time', value: { localTime } } } });
      });
      const said = event === 'RehearsalPassed' ? /rehearsal of .* passed/ : /would stop at cpu on /;
      const { scheduler, preflight } = world.services;
      const explained = async () => (await scheduler.getJob({ name: `${NAME}/jobs/${job}` })).explanation;
      await until(async () => said.test(await explained()), 'the job to tell of its rehearsal');
      const { reports } = await preflight.listReports({ parent: NAME, pageSize: 0, pageToken: '' });
      expect(reports.filter((r) => r.rehearsal?.job === job)).toHaveLength(1);
      await scheduler.disableJob({ name: `${NAME}/jobs/${job}` });
      await consistent(await current());
    });

    it('keeps settings, tokens and withdrawn releases over a kill while they are said', async () => {
      const { catalog, tokens } = world.services;
      const installation = (await catalog.getInstallation({ name: NAME })).installation;
      if (!installation) throw new Error('no installation');
      await killAt('InstallationChanged', () =>
        catalog.updateInstallation({ installation: { ...installation, title: 'Changed' }, updateMask: ['title'] }),
      );
      expect((await catalog.getInstallation({ name: NAME })).installation?.title).toBe('Changed');

      const version = nextVersion();
      await world.publish({ version });
      await killAt('ReleaseWithdrawn', () =>
        catalog.withdrawRelease({ name: `products/tiny/releases/${version}`, reason: 'broken' }),
      );
      expect((await catalog.checkUpdate({ name: NAME, version: '' })).release?.version).not.toBe(version);

      const { token } = await tokens.createToken({ subject: 'x', role: 4, installation: '', validDays: 1 });
      await killAt('TokenRevoked', () => tokens.revokeToken({ name: token?.name ?? '' }));
      const { tokens: list } = await tokens.listTokens({ pageSize: 0, pageToken: '' });
      expect(list.find((t) => t.name === token?.name)?.revokeTime).toBeDefined();
    });

    it('stays shut with an alarm when even the way back fails, until a person releases the host', async () => {
      const version = await current();
      const broken = nextVersion();
      await world.publish({ version: broken, unhealthy: true });
      await world.failCommand('restore', true);
      let job = '';
      await killAt('InstallationQuarantined', async () => (job = await world.update(broken)));
      const run = await world.ended(job);
      expect(run).toMatchObject({ outcome: RunOutcome.QUARANTINED, alarm: true });
      const gate = await world.gate();
      expect(gate.alarm).toBe(true);
      expect(gate.state).not.toBe(sessionV1.GateState.OPEN);
      // Whose connection was lost by the kill learns a little later that nobody is let in.
      await until(() => !world.users.some((user) => user.isIn()), 'nobody to be in');
      expect((await world.services.session.countSessions({ parent: NAME })).count).toBe(0);
      await world.failCommand('restore', false);
      expect(await world.versionOn('srv')).toBe(version);
      const release = { name: `${NAME}/hosts/srv`, reason: 'mended', data: installerV1.QuarantinedData.RESTORE };
      await killAt('HostReleased', () => world.services.installer.releaseQuarantine(release));
      await consistent(version);
    });

    /** Answers the workstation that was away meanwhile. */
    async function updateWithoutWorkstation(version: string): Promise<string> {
      const host = world.hosts.find(({ role }) => role === 'workstation')?.id ?? '';
      await world.publish({ version, workstationHealth: true });
      await world.stopAgent(host);
      expect(await world.ended(await world.update(version))).toMatchObject({ outcome: RunOutcome.SUCCEEDED });
      return host;
    }

    it('brings a host that was away to the version of the others over a kill when that has failed', async () => {
      // The version before has no health check on workstations: the way back is not in trouble.
      const version = nextVersion();
      const host = await updateWithoutWorkstation(version);
      await world.trouble('health', 'fails', host);
      await killAt('HostCatchUpFailed', () => world.startAgent(host));
      await world.trouble('health', 'none', host);
      // It is tried when it connects: it may have done so before the trouble was over, or after.
      await world.killAndRestartAgent(host);
      await until(async () => (await world.versionOn(host)) === version, 'the host to have it');
      await consistent(version);
    });

    it('brings it there over a kill when that begins', async () => {
      const version = nextVersion();
      const host = await updateWithoutWorkstation(version);
      await killAt('HostCatchUpBegun', () => world.startAgent(host));
      await until(async () => (await world.versionOn(host)) === version, 'the host to have it');
      await consistent(version);
    });

    it('had a kill at every event that there is', () => {
      expect(EVENT_TYPES.filter((type) => !covered.has(type))).toEqual([]);
      expect(OUTSIDE_RUNS.every((type) => EVENTS[type] !== undefined)).toBe(true);
    });
  });
}

suite('embedded');
describeWith('nats', 'with NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('distributed'));
});
