import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { randomId } from '@lastcall/kernel';
import { preflightModule } from '@lastcall/preflight';
import type { AnyServiceModule } from '@lastcall/runtime';
import { schedulerModule } from '@lastcall/scheduler';
import { attachSession, type AttachedSession } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import {
  createRecorder,
  createTempFolder,
  describeWith,
  startStack,
  until,
  type Stack,
  type StackOptions,
} from '@lastcall/testkit';
import { commandLineOn } from './world/command-line.js';

/*
 * A maintenance window from its job to the reopened gate: every service is real, users attach with the SDK, operators type. There is no host,
 * no release and no agent.
 */

const { JobType, RunOutcome } = commonV1;
const { GateState } = sessionV1;
const SITE = 'berlin';
const NAME = `installations/${SITE}`;
const ALL: readonly AnyServiceModule[] = [
  catalogModule,
  schedulerModule,
  preflightModule,
  sessionModule,
  installerModule,
];
/** Whoever has just left may still be counted. */
const SURE = ['--confirm', 'users-logged-in'];
/** Shorter than any window here: what does not need the scheduler goes on without it. */
const LEASE_MS = 1_000;

interface User {
  readonly session: AttachedSession;
  readonly heard: readonly string[];
  hears(what: string | RegExp): Promise<string>;
}

async function addPlace(stack: Stack, id: string, kind = commonV1.InstallationKind.MULTI_USER): Promise<void> {
  const catalog = stack.client(catalogV1.CatalogServiceService);
  if (id === SITE) {
    const product = catalogV1.Product.fromPartial({ title: 'Encore' });
    await catalog.createProduct({ productId: 'encore', product });
  }
  const installation = catalogV1.Installation.fromPartial({
    ...{ title: id, product: 'encore', kind, channel: 'stable', timeZone: 'Europe/Berlin' },
    sessionPolicy: { language: 'en' },
  });
  await catalog.createInstallation({ installationId: id, installation });
  // The session service lets nobody in where it has not heard of the installation.
  await until(async () => (await gateOf(stack, id).catch(() => undefined)) !== undefined, `the gate of ${id}`);
}

async function gateOf(stack: Stack, id = SITE): Promise<sessionV1.Gate | undefined> {
  const sessions = stack.client(sessionV1.SessionServiceService);
  return (await sessions.getGate({ name: `installations/${id}/gate` })).gate;
}

async function attach(stack: Stack, user: string): Promise<User> {
  const recorder = createRecorder<string>();
  const session = attachSession({
    ...{ user, version: '11.0.0', installation: SITE, env: {}, channel: stack.channel('client', SITE) },
    onAttached: () => recorder.add('attached'),
    onNotice: ({ kind, text }) => recorder.add(`${kind}: ${text}`),
    onLogoff: (reason) => recorder.add(`ended: ${reason}`),
    onRefused: (text, expectedAt) => recorder.add(`refused: ${text} ${expectedAt?.toISOString()}`),
    onReopened: (news) => recorder.add(`reopened: ${news}`),
  });
  const hears: User['hears'] = (what) =>
    recorder.until(
      (item) => (typeof what === 'string' ? item === what : what.test(item)),
      15_000,
      () => `${String(what)} for ${user}; there was: ${recorder.items.join(' | ')}`,
    );
  await Promise.race([hears('attached'), hears(/^refused: /)]);
  return { session, heard: recorder.items, hears };
}

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    const users: User[] = [];
    beforeAll(async () => {
      stack = await startStack({ modules: ALL, ...pair, settings: { gateLeaseMs: LEASE_MS } });
      await addPlace(stack, SITE);
    });
    afterEach(() => Promise.all(users.splice(0).map(({ session }) => session.goodbye())));
    afterAll(() => stack.stop());

    const enter = async (user: string): Promise<User> => {
      const entered = await attach(stack, user);
      users.push(entered);
      return entered;
    };
    /** What it said on stdout; fails when the command does. */
    async function done(...args: readonly string[]): Promise<string> {
      const { exitCode, out, err } = await commandLineOn(stack).run(...args);
      if (exitCode !== 0) throw new Error(err);
      return out;
    }
    const create = (job: string, ...more: readonly string[]): Promise<string> =>
      done('job', 'create', job, '--type', 'maintenance-window', ...more, '--enable');
    const runOf = (job: string): Promise<schedulerV1.Run> => endedRun(stack, job);
    const closed = () => until(async () => (await gateOf(stack))?.state === GateState.CLOSED, 'the gate to be shut');

    it('tells, waits, logs off, stays shut for its time, opens by itself and reports', async () => {
      const ann = await enter('ann');
      const times = ['--in', '2s', '--reaction-time', '1s', '--closed-for', '3s'];
      expect(await create('night-work', ...times, '--message', 'New disks.')).toMatch(/Closed for +3 s/);
      await ann.hears('logoff: New disks.');
      await ann.hears('ended: deadline');
      const { message: begun } = await stack.seen('MaintenanceBegun', (m) => m.run?.job === 'night-work');
      const endTime = begun.endTime ?? new Date(0);

      // A user who comes now is told why and until when, and is in when it is over.
      const otto = await enter('otto');
      const refused = await otto.hears(/^refused: /);
      expect(refused).toMatch(/New disks\. No logins since .* It is expected to open again at /);
      expect(refused).toContain(endTime.toISOString());
      const { message: reopened } = await stack.seen('GateReopened', (m) => m.run?.job === 'night-work');
      expect(reopened).toMatchObject({ outcome: RunOutcome.SUCCEEDED, openedBy: '' });
      expect(Date.now()).toBeGreaterThanOrEqual(endTime.getTime());
      await otto.hears('attached');
      await ann.hears('reopened: encore is available again.');

      const run = await runOf('night-work');
      expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false, spec: { hosts: [], toVersion: '' } });
      const said = run.timeline.map(({ event }) => event);
      expect(said).toEqual(['RunStarted', 'GateClosed', 'NoticeSent', 'MaintenanceBegun', 'GateReopened']);
      const report = await done('run', 'report', run.name);
      expect(report).toMatch(/maintenance-window of encore on berlin/);
      expect(report).toMatch(/1 told.*1 logged off/);
      expect(report).toMatch(/Gate shut for +[4-9](\.\d)? s/);
      expect(report).toMatch(/closed +3(\.\d)? s/);
      expect(report).toContain('ann');
      // Nobody else had anything to do.
      const others = ['HostOrderIssued', 'SessionsDrained', 'PreflightPassed', 'StagingCompleted', 'BackupTaken'];
      expect(stack.envelopes.filter(({ type }) => others.includes(type))).toEqual([]);
    });

    it('is announced, and tried without hosts, checks and consequences', async () => {
      const ann = await enter('ann');
      const times = ['--in', '2h', '--reaction-time', '5m', '--closed-for', '2h'];
      const job = ['job', 'create', 'tried', '--type', 'maintenance-window'];
      await done(...job, ...times, '--message', 'New disks.', '--enable');
      expect(await ann.hears(/^announcement: /)).toMatch(
        /encore will not be available for a while: .*\n\nNew disks\.$/s,
      );
      const scheduler = stack.client(schedulerV1.SchedulerServiceService);
      const tried = await scheduler.getJob({ name: `${NAME}/jobs/tried` });
      const advised = await scheduler.adviseJob({ parent: NAME, job: tried.job });
      expect(advised.outlook?.facts.join('; ')).toMatch(/takes 2 h 5 min: its reaction time/);
      const steps = await done('job', 'start', 'tried', '--dry-run');
      expect(steps).toContain('none is needed');
      expect(steps).not.toContain('preflight');
      await done('job', 'delete', 'tried');
    });

    it('is over as soon as somebody opens the gate, and the report says who', async () => {
      await create('short', '--now', '--reaction-time', '0s', '--closed-for', '8h', ...SURE);
      // The scheduler hears of it a moment after the gate is shut.
      const waits = 'the gate is shut for maintenance, nobody is inside: waiting for its end';
      await until(async () => (await done('run', 'show')).includes(waits), 'the run to wait for its end');
      expect(await done('run', 'show')).toMatch(/end it now: lastcall gate open -i berlin/);
      await done('gate', 'open', '--reason', 'All disks are in.');
      const run = await runOf('short');
      expect(run).toMatchObject({ outcome: RunOutcome.SUCCEEDED, failure: undefined });
      expect(run.timeline.at(-1)?.text).toBe('users may log in; opened before its time by otto: All disks are in.');
    });

    it('is over when its run is cancelled, before the logoff and after it', async () => {
      const ann = await enter('ann');
      await create('off', '--now', '--reaction-time', '10m', '--closed-for', '1h', ...SURE);
      expect(await ann.hears(/^logoff: There will be maintenance of encore\. .*able to log in again/)).toBeTruthy();
      await done('run', 'cancel', '--reason', 'Not tonight.');
      expect(await runOf('off')).toMatchObject({ outcome: RunOutcome.CANCELLED });
      expect(ann.heard.filter((what) => what.startsWith('ended'))).toEqual([]);
      await ann.session.goodbye();

      await create('off-again', '--now', '--reaction-time', '0s', '--closed-for', '1h', ...SURE);
      await closed();
      await done('run', 'cancel', '--reason', 'The disks are the wrong ones.');
      expect(await runOf('off-again')).toMatchObject({ outcome: RunOutcome.CANCELLED, alarm: false });
      expect((await gateOf(stack))?.state).toBe(GateState.OPEN);
    });

    it('asks before it logs users off, and is no work for a single seat', async () => {
      const ann = await enter('ann');
      await ann.hears('attached');
      await until(async () => (await done('session', 'list')).includes('ann'), 'her session');
      const job = schedulerV1.Job.fromPartial({
        ...{ title: 'Now', type: JobType.MAINTENANCE_WINDOW, closedFor: { seconds: 60n } },
        start: { condition: { $case: 'immediate', value: {} } },
      });
      const save = (parent: string, more: Partial<schedulerV1.Job> = {}) =>
        stack
          .client(schedulerV1.SchedulerServiceService)
          .createJob({ parent, jobId: 'now', job: { ...job, ...more }, confirmedCautions: [] });
      await expect(save(NAME)).rejects.toThrow(/users-logged-in/);
      const long = { maxRunTime: { seconds: 60n, nanos: 0 } };
      await expect(save(NAME, long)).rejects.toThrow(/job\.closed_for.*longer than its maximum run time of 1 min/);
      await addPlace(stack, 'desk', commonV1.InstallationKind.SINGLE_USER);
      await expect(save('installations/desk')).rejects.toThrow(/job\.type.*single seat/);
      await ann.session.goodbye();
    });
  });
}

async function endedRun(stack: Stack, job: string): Promise<schedulerV1.Run> {
  const scheduler = stack.client(schedulerV1.SchedulerServiceService);
  let found: schedulerV1.Run | undefined;
  await until(async () => {
    const { runs } = await scheduler.listRuns({ parent: NAME, pageSize: 1, pageToken: '', job });
    found = runs[0] && (await scheduler.getRun({ name: runs[0].name })).run;
    return found?.phase === 'ended';
  }, `the end of ${job}`);
  if (!found) throw new Error('there is no run');
  return found;
}

/** On one pair: what differs between the pairs, due times and restarts, has tests of its own in the store and in the lost lease. */
describe('a maintenance window in a standstill', () => {
  const started: Stack[] = [];
  afterEach(async () => {
    for (const stack of started.splice(0)) await stack.stop();
  });

  it('stays shut while everything is down, opens at its time without the scheduler, and succeeds', async () => {
    const folder = await createTempFolder('maintenance');
    const place = { dataDir: folder.path, prefix: randomId('t'), settings: { gateLeaseMs: LEASE_MS } };
    const start = async (modules: readonly AnyServiceModule[]): Promise<Stack> => {
      const stack = await startStack({ modules, ...place });
      started.push(stack);
      return stack;
    };
    const first = await start(ALL);
    await addPlace(first, SITE);
    const created = await commandLineOn(first).run(
      ...['job', 'create', 'night-work', '--type', 'maintenance-window', '--now', '--enable'],
      ...['--reaction-time', '0s', '--closed-for', '6s'],
    );
    expect([created.exitCode, created.err]).toEqual([0, '']);
    const { message } = await first.seen('MaintenanceBegun');
    const endAt = message.endTime?.getTime() ?? 0;
    await first.stop({ keep: true });

    const alone = await start([catalogModule, sessionModule]);
    const state = async () => (await gateOf(alone))?.state;
    expect(await state()).toBe(GateState.CLOSED);
    await until(async () => (await state()) === GateState.OPEN, 'the gate to open by itself');
    expect(Date.now()).toBeGreaterThanOrEqual(endAt);
    await alone.stop({ keep: true });

    const second = await start(ALL);
    expect(await endedRun(second, 'night-work')).toMatchObject({ outcome: RunOutcome.SUCCEEDED, alarm: false });
    await second.stop();
    await folder.remove();
  });
});

suite('a maintenance window, embedded', {});
describeWith('nats', 'a maintenance window, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => {
    suite('a window', { bus: 'nats', store: 'mongodb' });
  });
});
