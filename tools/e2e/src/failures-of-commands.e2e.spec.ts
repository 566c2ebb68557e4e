import { commonV1 } from '@lastcall/contracts';
import { knock } from './world/raw-client.js';
import { allOn, eventsOf, remainsOf, reportOf, unfairness, watchUsers, type Remains } from './world/remains.js';
import type { Trouble } from './world/tiny-product.js';
import { createWorld, INSTALLATION, until, type World } from './world/world.js';

/*
 * A command of the manifest that fails, and one that hangs, in each of its places. Afterwards everything is on one version, or
 * the gate is shut with an alarm and a person can bring it back; and the report says which.
 */

const { RunOutcome } = commonV1;
const PARENT = `installations/${INSTALLATION}`;
type Run = Awaited<ReturnType<World['ended']>>;

const REASON = { fails: 'COMMAND_FAILED', hangs: 'COMMAND_TIMED_OUT' } as const;
const BOTH = ['fails', 'hangs'] as const;

describe('a command of the manifest', () => {
  let world: World;
  let minor = 0;
  const entries: string[] = [];
  beforeAll(async () => {
    world = await createWorld({ pair: 'embedded', settings: { session: { LASTCALL_FIRST_START_SETTLE_MS: '500' } } });
  }, 180_000);
  afterAll(() => world.stop(), 60_000);
  const nextVersion = (): string => `1.${++minor}.0`;

  /** A run to `version` on data that has something new in it. */
  async function runTo(version: string, troubles: Readonly<Record<string, Trouble>> = {}, more = {}): Promise<Run> {
    entries.push(`before ${version}`);
    await world.enter(`before ${version}`);
    await world.publish({ version, troubles, ...more });
    const logs = world.users.map((user) => user.log.length);
    const run = await world.ended(await world.update(version));
    expect(world.users.flatMap((user, i) => unfairness(user, logs[i] ?? 0))).toEqual([]);
    const { outcome, reason } = await reportOf(world, run);
    expect([outcome, reason]).toEqual([run.outcome, run.failure?.reason]);
    return run;
  }

  async function expectAllOn(version: string, more: Partial<Remains> = {}): Promise<void> {
    await until(async () => (await remainsOf(world)).installed === version, `the catalog to know ${version}`, 10_000);
    expect(await remainsOf(world)).toEqual({ ...allOn(world, version, entries), ...more });
  }

  const usersOn = (host: string) => world.users.filter((user) => user.host === host);

  async function expectBackTo(version: string): Promise<void> {
    await expectAllOn(version);
    await world.everybodyIn();
  }

  it.each(['migrate', 'start', 'health'].flatMap((command) => BOTH.map((how) => [command, how] as const)))(
    'of the new version: when %s %s, all hosts go back with the data',
    async (command, how) => {
      const before = await world.versionOn('srv');
      const run = await runTo(nextVersion(), { [command]: how });
      const reason = command === 'health' ? 'HEALTH_FAILED' : REASON[how];
      expect(run).toMatchObject({ outcome: RunOutcome.ROLLED_BACK, alarm: false, failure: { reason, host: 'srv' } });
      await expectBackTo(before);
    },
    180_000,
  );

  it.each(['backup', 'verify-backup'].flatMap((command) => BOTH.map((how) => [command, how] as const)))(
    'of the installed version: when %s %s, nothing is installed',
    async (command, how) => {
      const before = await world.versionOn('srv');
      await world.trouble(command, how);
      const run = await runTo(nextVersion());
      await world.trouble(command, 'none');
      expect(run).toMatchObject({ outcome: RunOutcome.FAILED, alarm: false, failure: { reason: REASON[how] } });
      expect(eventsOf(run)).toEqual(expect.arrayContaining(['BackupFailed', 'GateReopened']));
      expect(eventsOf(run)).not.toContain('InstallStarted');
      await expectBackTo(before);
    },
    180_000,
  );

  it.each(BOTH)(
    'of the installed version: when stop %s once, it goes back to where it was',
    async (how) => {
      const before = await world.versionOn('srv');
      await world.trouble('stop', `${how}-once`);
      const run = await runTo(nextVersion());
      expect(run).toMatchObject({ outcome: RunOutcome.ROLLED_BACK, alarm: false, failure: { reason: REASON[how] } });
      await expectBackTo(before);
    },
    180_000,
  );

  it.each(BOTH)(
    'of the way back: when restore %s once, it is tried again',
    async (how) => {
      const before = await world.versionOn('srv');
      await world.trouble('restore', `${how}-once`);
      const run = await runTo(nextVersion(), { health: 'fails' });
      expect(run).toMatchObject({
        outcome: RunOutcome.ROLLED_BACK,
        alarm: false,
        failure: { reason: 'HEALTH_FAILED' },
      });
      await expectBackTo(before);
    },
    180_000,
  );

  it.each([
    ['restore', 'fails', { health: 'fails' }],
    ['restore', 'hangs', { health: 'fails' }],
    ['stop', 'fails', {}],
    ['stop', 'hangs', {}],
  ] as const)(
    'of the way back: when %s %s every time, nobody gets in until a person has restored and opened',
    async (command, how, troubles) => {
      const before = await world.versionOn('srv');
      await world.trouble(command, how);
      const run = await runTo(nextVersion(), troubles);
      expect(run).toMatchObject({ outcome: RunOutcome.QUARANTINED, alarm: true });
      // Desks that never got an order keep what they have; the server leads to the old version or has never left it.
      expect(await remainsOf(world)).toMatchObject({
        versions: { srv: before, ts: before, desk: before },
        installed: before,
        unfinished: [],
        alarm: true,
      });
      expect((await remainsOf(world)).gate).not.toBe('OPEN');
      expect(world.users.some((user) => user.isIn())).toBe(false);

      await world.trouble(command, 'none');
      await restoreBackupOf(run);
      await world.services.session.openGate({ name: `${PARENT}/gate`, reason: 'looked at and restored' });
      await expectBackTo(before);
    },
    180_000,
  );

  async function restoreBackupOf(run: Run): Promise<void> {
    const { report } = await world.services.scheduler.getRunReport({ name: run.name });
    const backup = report?.backup?.name ?? '';
    const { preflight } = world.services;
    const { name } = await preflight.restoreBackup({ name: backup, confirm: backup.split('/').at(-1) ?? '' });
    await until(async () => !(await preflight.getRestore({ name })).pending, 'the backup to be restored');
    expect((await preflight.getRestore({ name })).failure).toBeUndefined();
  }

  it.each([
    ['fails', {}],
    ['hangs', { firstStartTimeout: '2s' }],
    ['does-nothing', {}],
  ] as const)(
    'of the terminal server: when the first start %s, that host alone stays shut, with an alarm',
    async (how, more) => {
      const version = nextVersion();
      const run = await runTo(version, { 'first-start': how }, more);
      expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: true });
      await world.everybodyIn(10_000, usersOn('desk'));
      await expectAllOn(version, { alarm: true, shutHosts: ['ts'] });
      expect(await knock(world, { user: 'newcomer', host: 'ts', version })).toBe('REFUSAL_REASON_HOST_SHUT');
      expect(usersOn('ts').some((user) => user.isIn())).toBe(false);

      await world.services.session.openGate({ name: `${PARENT}/gate`, reason: 'the client was looked at' });
      await expectBackTo(version);
    },
    180_000,
  );

  it('that does what it should leaves the place as before: the next update succeeds', async () => {
    const version = nextVersion();
    const whatHappened = watchUsers(world);
    const run = await runTo(version);
    expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false, failure: undefined });
    await expectBackTo(version);
    expect(whatHappened().filter((line) => line.endsWith(' off'))).toHaveLength(world.users.length);
  }, 180_000);
});
