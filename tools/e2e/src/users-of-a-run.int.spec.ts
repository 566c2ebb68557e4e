import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, eventsV1, hostOrderV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { schedulerModule } from '@lastcall/scheduler';
import { attachSession, type AttachedSession } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { createRecorder, describeWith, startStack, type Stack, type StackOptions, until } from '@lastcall/testkit';
import { commandLineOn, type CommandLine } from './world/command-line.js';
import { addSite, localIn, NAME, publishRelease, SITE } from './world/site.js';

/*
 * What a run does to users, from its job to their logoff and back: catalog, scheduler and session are real, clients use the SDK,
 * operators the command line. The hosts are played by the test.
 */

const { HostRole, JobType, RunOutcome } = commonV1;
const GATE = `${NAME}/gate`;
const LEASE_MS = 4_000;
const HEARS_WITHIN_MS = 15_000;

interface User {
  readonly session: AttachedSession;
  readonly heard: readonly string[];
  /** Resolves when this was heard. */
  hears(what: string): Promise<void>;
}

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    let lastcall: CommandLine;
    let released = 0;
    let version = '11.0.0';
    const users: User[] = [];

    beforeAll(async () => {
      stack = await startStack({
        modules: [catalogModule, schedulerModule, sessionModule],
        ...pair,
        settings: { gateLeaseMs: LEASE_MS, firstStartSettleMs: 0, planSettleMs: 100 },
      });
      await addSite(stack, { settings: { reactionTime: { seconds: 20n, nanos: 0 } } });
      const joined = { installation: SITE, host: 'ts1', role: HostRole.TERMINAL_SERVER, installedVersion: version };
      await stack.publish(
        'HostJoined',
        SITE,
        eventsV1.HostJoined.fromPartial({ ...joined, publicKey: Buffer.alloc(32, 1), platform: 'linux-x64' }),
      );
      await stack.seen('InstalledReleaseChanged', (m) => 'ts1' in m.hostVersions);
      lastcall = commandLineOn(stack);
    });
    afterEach(() => Promise.all(users.splice(0).map(({ session }) => session.goodbye())));
    afterAll(() => stack.stop());

    const scheduler = () => stack.client(schedulerV1.SchedulerServiceService);
    const gate = async () =>
      (await stack.client(sessionV1.SessionServiceService).getGate({ name: GATE })).gate ?? sessionV1.Gate.create();

    async function policy(more: Parameters<typeof sessionV1.SessionPolicy.fromPartial>[0]): Promise<void> {
      const sessionPolicy = sessionV1.SessionPolicy.fromPartial({ announcementsOff: true, ...more });
      const installation = catalogV1.Installation.fromPartial({ name: NAME, sessionPolicy });
      const catalog = stack.client(catalogV1.CatalogServiceService);
      const { etag } =
        (await catalog.updateInstallation({ installation, updateMask: ['session_policy'] })).installation ?? {};
      await stack.seen('InstallationChanged', (m) => m.installation?.etag === etag);
    }

    async function attach(user: string, more: { host?: string; firstStartCode?: string; version?: string } = {}) {
      const recorder = createRecorder<string>();
      const hear = (what: string): void => recorder.add(what);
      const session = attachSession({
        ...{ user, version, installation: SITE, env: {}, channel: stack.channel('client', SITE), ...more },
        onAttached: () => hear('attached'),
        onNotice: ({ kind }) => hear(kind),
        onNoticeWithdrawn: () => hear('withdrawn'),
        onLogoff: (reason) => hear(reason),
        onHoldDecided: ({ granted }) => hear(granted ? 'granted' : 'not granted'),
      });
      const heard = recorder.items;
      const hears: User['hears'] = async (what) => {
        await recorder.until(
          (item) => item === what,
          HEARS_WITHIN_MS,
          () => `${what} for ${user}; there was: ${heard.join(', ')}`,
        );
      };
      const attached: User = { session, heard, hears };
      users.push(attached);
      await hears('attached');
      return attached;
    }

    async function save(jobId: string, more: Partial<schedulerV1.Job> = {}): Promise<void> {
      const start = { condition: { $case: 'time' as const, value: { localTime: localIn(3_600_000) } } };
      const job = { title: jobId, type: JobType.SOFTWARE_UPDATE, start, holdsAllowed: true, ...more };
      const confirmedCautions = ['inside-business-hours'];
      await scheduler().createJob({ parent: NAME, jobId, job: schedulerV1.Job.fromPartial(job), confirmedCautions });
    }

    /** A run whose hosts have staged: the gate shuts. */
    async function runOf(job: string): Promise<commonV1.RunSpec> {
      const { message } = await stack.seen('RunStarted', (m) => m.run?.job === job, 20_000);
      const run = message.run ?? commonV1.RunSpec.create();
      await stack.publish('StagingCompleted', SITE, { run, absentHosts: [] });
      await stack.seen('NoticeSent', (m) => m.run?.run === run.run);
      return run;
    }
    async function start(job: string, more: Partial<schedulerV1.Job> = {}): Promise<commonV1.RunSpec> {
      await publishRelease(stack, `11.1.${++released}`);
      await save(job, more);
      await scheduler().startJob({
        name: `${NAME}/jobs/${job}`,
        confirmedCautions: ['users-logged-in'],
        requestId: '',
      });
      return runOf(job);
    }
    async function finished(run: commonV1.RunSpec): Promise<eventsV1.RunFinished> {
      return (await stack.seen('RunFinished', (m) => m.run?.run === run.run, 20_000)).message;
    }
    async function cancel({ run = '' }: { readonly run?: string }): Promise<void> {
      const { message } = await stack.seen('RunStarted', (m) => m.run?.run === run);
      const why = { requestedBy: 'otto', reason: 'Enough.', expired: false };
      await stack.publish('RunCancelled', SITE, { run: message.run, ...why });
      await stack.seen('RunFinished', (m) => m.run?.run === run, 20_000);
    }

    /** Of all runs until now, this one being the last. */
    async function exportsReports({ run = '' }: commonV1.RunSpec): Promise<void> {
      const exported = await lastcall.run('run', 'report', '--all', '-o', 'json');
      type Line = { run: { spec: { run: string; startedAt: string } }; attendance: { user: string }[] };
      const lines = exported.out.trimEnd().split('\n').map((line) => JSON.parse(line) as Line); // prettier-ignore
      const started = lines.map((line) => line.run.spec.startedAt);
      expect(lines.at(-1)).toMatchObject({ run: { spec: { run } } });
      expect(
        lines
          .at(-1)
          ?.attendance.map(({ user }) => user)
          .toSorted(),
      ).toEqual(['ada', 'bob']);
      expect([started.length > 3, started]).toEqual([true, started.toSorted()]);
      const none = await lastcall.run('run', 'report', '--all', '-o', 'json', '--from', '2999-01-01');
      expect(none).toMatchObject({ exitCode: 0, out: '' });
      for (const wrong of [
        ['--all'],
        ['--all', '-o', 'json', '--from', '2026-02-30'],
        ['--to', '2026-02-03'],
        ['r-1', '--all', '-o', 'json'],
      ]) {
        expect((await lastcall.run('run', 'report', ...wrong)).exitCode).toBe(2);
      }
    }

    it('keeps the gate shut for as long as the run lives, many leases long', async () => {
      const run = await start('lease', { reactionTime: { seconds: 0n, nanos: 0 } });
      await stack.seen('SessionsDrained', (m) => m.run?.run === run.run);
      const first = (await gate()).leaseUntil?.getTime() ?? 0;
      expect(first).toBeGreaterThan(0);
      await until(async () => ((await gate()).leaseUntil?.getTime() ?? 0) > first + 2 * LEASE_MS, 'two more leases');
      expect((await gate()).state).toBe(sessionV1.GateState.CLOSED);
      expect((await lastcall.run('gate', 'show')).out).toMatch(/Gate +closed\n[^]*Lease until +\d{4}-/);
      await cancel(run);
      expect((await finished(run)).outcome).toBe(RunOutcome.CANCELLED);
    });

    it('postpones a run that holds leave no room for, and plans it for the next day', async () => {
      await policy({});
      const ada = await attach('ada', { host: 'ts1' });
      await publishRelease(stack, `11.1.${++released}`);
      await save('rescue', { type: JobType.DATA_BACKUP });
      const localTime = localIn(1_500);
      const at = { start: { condition: { $case: 'time' as const, value: { localTime } } } };
      await save('night', { ...at, followUpJob: 'rescue', maxRunTime: { seconds: 60n, nanos: 0 } });
      await scheduler().enableJob({ name: `${NAME}/jobs/night`, etag: '', confirmedCautions: [] });
      const run = await runOf('night');
      await ada.hears('logoff');
      expect(await ada.session.hold('The month is being closed.', 30)).toMatchObject({ granted: true });
      expect(await finished(run)).toMatchObject({
        outcome: RunOutcome.POSTPONED,
        failure: { reason: 'POSTPONED_BY_HOLDS' },
      });
      await ada.hears('postponed');
      expect(ada.heard).not.toContain('deadline');
      expect((await gate()).state).toBe(sessionV1.GateState.OPEN);

      const next = new Date(Date.parse(`${localTime}Z`) + 86_400_000).toISOString().slice(0, 19);
      const again = await stack.seen(
        'RunPlanned',
        (m) => m.job === 'night' && (m.startTime?.getTime() ?? 0) > Date.now(),
      );
      const { job } = await scheduler().getJob({ name: `${NAME}/jobs/night` });
      expect(job).toMatchObject({ state: schedulerV1.JobState.ENABLED, nextDueTime: again.message.startTime });
      expect(job?.start?.condition).toEqual({ $case: 'time', value: { localTime: next } });
      const firings = await scheduler().listFirings({ parent: `${NAME}/jobs/rescue`, pageSize: 0, pageToken: '' });
      expect(firings.firings).toEqual([]);

      const report = await lastcall.run('run', 'report', run.run);
      expect(report.out).toMatch(/Outcome +postponed: The hold of ada .*\[POSTPONED_BY_HOLDS\]\n/);
      expect(report.out).not.toMatch(/A PERSON IS NEEDED/);
      expect((await lastcall.run('run', 'watch', run.run)).exitCode).toBe(1);
      await scheduler().deleteJob({ name: `${NAME}/jobs/night`, etag: '' });
    });

    it('plans nothing for a run that was started by hand', async () => {
      const ada = await attach('ada', { host: 'ts1' });
      const run = await start('by-hand', { maxRunTime: { seconds: 60n, nanos: 0 } });
      await ada.hears('logoff');
      await ada.session.hold('The month is being closed.', 30);
      expect((await finished(run)).outcome).toBe(RunOutcome.POSTPONED);
      const after = await start('after', { reactionTime: { seconds: 0n, nanos: 0 } });
      expect((await scheduler().getJob({ name: `${NAME}/jobs/by-hand` })).job?.state).toBe(
        schedulerV1.JobState.DISABLED,
      );
      await cancel(after);
    });

    it('shows holds, approves and releases them', async () => {
      await policy({ holds: { needsApproval: true } });
      const ada = await attach('ada', { host: 'ts1' });
      const run = await start('holds');
      await ada.hears('logoff');
      const watcher = lastcall.watch('hold', 'watch');
      expect(await ada.session.hold('The month is being closed.', 5)).toMatchObject({ awaitsApproval: true });
      const { holds } = (await lastcall.json('hold', 'list')) as { holds: { name: string }[] };
      expect(holds).toMatchObject([{ user: 'ada', reason: 'The month is being closed.', awaitsApproval: true }]);
      const hold = holds[0]?.name.split('/').at(-1) ?? '';
      await watcher.shows('waits for approval: The month is being closed.');
      const approved = await lastcall.run('hold', 'approve', hold);
      expect(approved).toMatchObject({ exitCode: 0, err: '' });
      expect(approved.out).toMatch(/counts, approved by otto/);
      await ada.hears('granted');
      await ada.hears('deadline-moved');
      await watcher.shows('counts, approved by otto');
      expect((await lastcall.run('hold', 'release', hold, '--reason', 'She has gone home.')).out).toBe(
        `released ${hold}\n`,
      );
      await watcher.shows(`${hold} of ada is over`);
      expect(await watcher.stop()).toBe(0);
      expect((await lastcall.run('hold', 'approve', hold)).exitCode).toBe(4);
      expect((await lastcall.run('hold', 'list')).out).toBe('no holds\n');
      await cancel(run);
    });

    it('takes back what was announced, and a logoff that is under way, when their release is withdrawn', async () => {
      await policy({ announcementsOff: false, announceBefore: [{ seconds: 7_200n, nanos: 0 }] });
      const ada = await attach('ada', { host: 'ts1' });
      const run = await start('bad');
      await ada.hears('logoff');
      await save('tonight', { version: run.toVersion });
      await scheduler().enableJob({
        name: `${NAME}/jobs/tonight`,
        etag: '',
        confirmedCautions: ['inside-business-hours'],
      });
      await ada.hears('announcement');
      const withdrawn = await lastcall.run(
        'release',
        'withdraw',
        'encore',
        run.toVersion,
        '--reason',
        'It loses bookings.',
      );
      expect(withdrawn.exitCode).toBe(0);
      await ada.hears('cancelled');
      const { message } = await stack.seen('RunCancelRequested', (m) => m.run?.run === run.run);
      expect(message).toMatchObject({
        requestedBy: 'scheduler',
        reason: expect.stringContaining('It loses bookings.'),
      });
      await stack.publish('RunCancelled', SITE, { ...message, run });
      await ada.hears('withdrawn');
      expect(await finished(run)).toMatchObject({ outcome: RunOutcome.CANCELLED });
      expect((await gate()).state).toBe(sessionV1.GateState.OPEN);
      const shown = await lastcall.run('job', 'show', 'tonight');
      expect(shown.out).toMatch(/State +disabled\nWhy +the release 11\.1\.\d+ was withdrawn: It loses bookings\./);
      expect((await lastcall.run('job', 'list')).out).toMatch(/tonight .* disabled .*the release .* was withdrawn/);
    });

    it('reports what became of each user, and lets an administrator prove a first start', async () => {
      await policy({});
      const [ada, bob] = [await attach('ada', { host: 'ts1' }), await attach('bob', { host: 'srv1' })];
      const run = await start('update', { reactionTime: { seconds: 3n, nanos: 0 } });
      await Promise.all([ada.hears('logoff'), bob.hears('logoff')]);
      const waits =
        /Now +the reaction time runs: 2 of 2 users still logged in\nUntil +\d{4}-.*\nYou can +cancel: lastcall run cancel r-/;
      await until(async () => waits.test((await lastcall.run('run', 'show', run.run)).out), 'what it waits for');
      ada.session.acknowledge();
      await until(
        async () => (await lastcall.run('session', 'list', '--user', 'ada')).out.includes('read'),
        'ada to have read it',
      );
      expect((await lastcall.run('session', 'list', '--unread')).out).not.toMatch(/\nada /);
      ada.session.ready();
      await bob.hears('deadline');
      await stack.seen('SessionsDrained', (m) => m.run?.run === run.run);
      type Report = { drain?: Record<string, number>; attendance: Record<string, string>[] };
      let reported = {} as Report;
      // The scheduler hears of the drain when we do, or a little later.
      await until(async () => {
        reported = (await lastcall.json('run', 'report', run.run)) as Report;
        return reported.drain !== undefined;
      }, 'the report to have the drain');
      const { drain, attendance } = reported;
      expect(drain).toMatchObject({ told: 2, read: 1, ready: 1, left: 1, ended: 1 });
      expect(attendance.toSorted((a, b) => (a['user'] ?? '').localeCompare(b['user'] ?? ''))).toMatchObject([
        { user: 'ada', host: 'ts1', departure: 'DEPARTURE_READY', readTime: expect.any(String) },
        { user: 'bob', host: 'srv1', departure: 'DEPARTURE_DEADLINE', receivedTime: expect.any(String) },
      ]);
      const report = await lastcall.run('run', 'report', run.run, '--users');
      expect(report.out).toMatch(
        /Users +2 told, 2 received it, 1 read it, 1 left \(1 said that they were ready\), 1 logged off\n/,
      );
      expect(report.out).toMatch(/Users who were told:\nUSER .*\n(.*\n)?bob .* deadline /);

      await stack.publish('BackupTaken', SITE, { run, backup: undefined });
      await stack.seen('DrainConfirmed', (m) => m.run?.run === run.run);
      await stack.publish('InstallStarted', SITE, { run, restorePoint: 'rp' });
      await stack.publish('InstallationUpdated', SITE, { run, absentHosts: [] });
      const { message } = await stack.seen(
        'HostOrderIssued',
        (m) => m.order?.run === run.run && m.order.host === 'ts1',
      );
      const result = hostOrderV1.OrderResult.fromPartial({
        failure: { reason: 'COMMAND_FAILED', message: 'no display' },
      });
      await stack.publish('HostOrderCompleted', SITE, { order: message.order, result });
      expect(await finished(run)).toMatchObject({ outcome: RunOutcome.SUCCEEDED });
      const page = await lastcall.run('run', 'report', run.run, '--html');
      expect(page).toMatchObject({ exitCode: 0, err: '' });
      expect(page.out).toMatch(/^<!doctype html>[^]*>succeeded<[^]*<td>bob<[^]*>deadline<[^]*<td>ts1<[^]*<\/html>\n$/);
      expect((await lastcall.run('run', 'report', '--html', '-o', 'json')).exitCode).toBe(2);
      await exportsReports(run);
      ({ toVersion: version } = run);
      expect((await lastcall.run('gate', 'show')).out).toMatch(/Shut hosts +ts1: /);

      const shown = (await lastcall.json('gate', 'first-start', SITE, 'ts1')) as { code: string; version: string };
      expect(shown.version).toBe(version);
      const human = await lastcall.run('gate', 'first-start', SITE, 'ts1');
      expect(human.out).toMatch(new RegExp(`Linux +LASTCALL_FIRST_START_CODE=${shown.code} <the application>\n`));
      const proof = attachSession({
        ...{ user: 'otto', version, host: 'ts1', installation: SITE, env: {}, firstStartCode: shown.code },
        channel: stack.channel('client', SITE),
      });
      await proof.finished;
      await stack.seen('FirstStartProven', (m) => m.host === 'ts1');
      await until(async () => Object.keys((await gate()).shutHosts).length === 0, 'ts1 to open');
      expect((await lastcall.run('gate', 'first-start', SITE, 'ts1')).exitCode).toBe(3);
    });
  });
}

suite('users of a run, embedded', {});
describeWith('nats', 'users of a run, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('users of a run', { bus: 'nats', store: 'mongodb' }));
});
