import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, eventsV1, preflightV1, schedulerV1 } from '@lastcall/contracts';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { attachSession } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { startStack, until, type Stack } from '@lastcall/testkit';
import { commandLineOn, type CommandLine } from './world/command-line.js';
import { addSite, localIn, NAME, publishRelease, SITE } from './world/site.js';

/*
 * What operators do with jobs on the command line, against the real catalog, scheduler and session service.
 */

const { SKIPPED } = schedulerV1.FiringFate;
const MODULES = [catalogModule, schedulerModule, sessionModule, preflightModule];
const { HostRole } = commonV1;
const HOUR_MS = 3_600_000;

describe('jobs on the command line', () => {
  let stack: Stack;
  let lastcall: CommandLine;
  beforeAll(async () => {
    stack = await startStack({ modules: MODULES });
    await addSite(stack);
    lastcall = commandLineOn(stack);
  });
  afterAll(() => stack.stop());

  /** What it said on stdout; fails when the command does. Jobs may be due at the same time here. */
  async function done(...args: readonly string[]): Promise<string> {
    const saves = args[0] === 'job' && ['create', 'edit', 'copy', 'enable'].includes(args[1] ?? '');
    const { exitCode, out, err } = await lastcall.run(...args, ...(saves ? ['--confirm', 'collides-with-job'] : []));
    if (exitCode !== 0) throw new Error(err);
    return `${err}${out}`;
  }
  const firings = async (job: string): Promise<readonly schedulerV1.Firing[]> => {
    const parent = `${NAME}/jobs/${job}`;
    const client = stack.client(schedulerV1.SchedulerServiceService);
    return (await client.listFirings({ parent, pageSize: 0, pageToken: '' })).firings;
  };
  const shown = (job: string): Promise<string> => done('job', 'show', job);

  it('waits for nobody to be logged in, and says what it has seen', async () => {
    const session = attachSession({
      ...{ user: 'ada', version: '11.0.0', installation: SITE, env: {}, channel: stack.channel('client', SITE) },
    });
    await until(async () => (await done('session', 'list')).includes('ada'), 'her session');
    const window = ['--from', localIn(-HOUR_MS).slice(0, 16), '--until', localIn(HOUR_MS).slice(0, 16)];
    await done('job', 'create', 'quiet', '--type', 'data-backup', '--when-idle', '10m', ...window, '--enable');
    await until(async () => (await shown('quiet')).includes('somebody was logged in at the last look'), 'a look');
    await session.goodbye();
    await done('job', 'disable', 'quiet');
    await done('job', 'enable', 'quiet');
    await until(async () => (await shown('quiet')).includes('; nobody has been since'), 'a look');
    expect(await shown('quiet')).toContain('Runs once nobody has been logged in for 10 min between');
    const wrong = await lastcall.run('job', 'create', 'back', '--when-idle', '10m', '--from', '2026-01-02T10:00', '--until', '2026-01-01T10:00'); // prettier-ignore
    expect([wrong.exitCode, wrong.err]).toEqual([2, expect.stringContaining('closes before it opens')]);
  });

  it('passes over the next time of a job, with who said so, and lets it run after all', async () => {
    const soon = localIn(HOUR_MS).slice(11, 16);
    await done('job', 'create', 'nightly', '--type', 'data-backup', '--every', `daily ${soon}`, '--enable');
    expect(await done('job', 'skip-next', 'nightly')).toContain('by otto');
    expect(await shown('nightly')).toMatch(/Skips \S+ \d\d:\d\d, because otto said so, then runs at /);
    expect(await done('job', 'list')).toContain('next time skipped by otto');
    await done('job', 'skip-next', 'nightly', '--undo');
    expect(await shown('nightly')).toMatch(/^Runs at /);
    await done('job', 'create', 'tonight', '--type', 'data-backup', '--at', localIn(6_000), '--enable');
    await done('job', 'skip-next', 'tonight');
    await until(async () => (await firings('tonight'))[0]?.fate === SKIPPED, 'the record', 20_000);
    expect(await firings('tonight')).toMatchObject([{ reason: 'otto had said to skip it' }]);
    const again = await lastcall.run('job', 'skip-next', 'tonight');
    expect([again.exitCode, again.err]).toEqual([3, expect.stringContaining('it is done')]);
  });

  it('lets nothing start while jobs are paused, says why, and goes on by itself', async () => {
    await done('job', 'create', 'closing', '--type', 'data-backup', '--at', localIn(4_000), '--enable');
    const paused = await done('job', 'pause', '--reason', 'Year-end closing', '--until', localIn(8_000));
    expect(paused).toMatch(/^Paused until .* \(Europe\/Berlin\) by otto: Year-end closing\n$/);
    await until(async () => (await firings('closing'))[0]?.fate === SKIPPED, 'the record');
    expect((await firings('closing'))[0]?.reason).toContain('otto has paused all jobs of the installation');
    expect(await shown('nightly')).toContain('would be skipped today: otto has paused all jobs');
    expect(await done('job', 'list')).toContain('by otto: Year-end closing');
    const refused = await lastcall.run('job', 'start', 'nightly');
    expect([refused.exitCode, refused.err]).toEqual([3, expect.stringContaining('Year-end closing')]);
    await until(async () => !(await done('job', 'list')).includes('Year-end'), 'its end', 20_000);
    await done('job', 'pause', '--reason', 'Again', '--until', localIn(HOUR_MS));
    await done('job', 'resume');
    expect(await shown('nightly')).toMatch(/^Runs at [^:]*:\d\d, then/);
    const wrong = await lastcall.run('job', 'pause', '--reason', ' \u0007', '--until', '0001-01-01T00:00');
    expect(wrong.exitCode).toBe(2);
    expect(wrong.err).toMatch(/reason[^]*until_local_time/);
  });

  it('copies a job with what is given changed, disabled', async () => {
    await done(
      'job',
      'create',
      'model',
      '--type',
      'data-backup',
      '--at',
      localIn(HOUR_MS),
      '--remarks',
      'Kept',
      '--enable',
    );
    const confirmed = ['--confirm', 'collides-with-job'];
    const copy = await lastcall.json('job', 'copy', 'model', 'twin', '--title', 'Twin', ...confirmed);
    expect(copy).toMatchObject({
      name: `${NAME}/jobs/twin`,
      title: 'Twin',
      remarks: 'Kept',
      state: 'JOB_STATE_DISABLED',
    });
    expect((await lastcall.run('job', 'copy', 'model', 'twin')).exitCode).toBe(3);
    expect((await lastcall.run('job', 'copy', 'nowhere', 'other')).exitCode).toBe(4);
  });

  it('says what a run would meet, and starts none', async () => {
    const before = (await lastcall.json('run', 'list')) as { runs: unknown[] };
    await done(
      'job',
      'create',
      'rehearsed',
      '--at',
      localIn(HOUR_MS),
      '--window-end',
      localIn(2 * HOUR_MS - 120_000).slice(11, 16),
    );
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    const { steps, report } = await scheduler.dryRunJob({ name: `${NAME}/jobs/rehearsed` });
    const found = Object.fromEntries(steps.map((s) => [s.check, `${preflightV1.verdictToJSON(s.verdict)} ${s.found}`]));
    expect(found).toEqual({
      paused: 'VERDICT_PASSED they are not',
      'other-run': 'VERDICT_PASSED none is',
      hosts: 'VERDICT_PASSED srv1',
      release: expect.stringContaining('VERDICT_FAILED '),
      window: expect.stringMatching(/^VERDICT_FAILED the run may take 2 h .* is 5[789] min long/),
      'follow-up': 'VERDICT_PASSED none is named',
      users: 'VERDICT_PASSED nobody would be disturbed',
      preflight: expect.stringContaining('VERDICT_PASSED'),
    });
    const preflight = stack.client(preflightV1.PreflightServiceService);
    expect((await preflight.getReport({ name: report })).report).toMatchObject({ product: 'encore', run: '' });
    expect(await lastcall.json('run', 'list')).toEqual(before);
    expect(await firings('rehearsed')).toEqual([]);
  });

  it('leaves out hosts that may follow later, and no others', async () => {
    const more = { publicKey: Buffer.alloc(32, 1), platform: 'linux-x64', installedVersion: '11.0.0' };
    for (const [host, role] of [
      ['ws1', HostRole.WORKSTATION],
      ['ws2', HostRole.WORKSTATION],
      ['ts1', HostRole.TERMINAL_SERVER],
    ] as const) {
      await stack.publish(
        'HostJoined',
        SITE,
        eventsV1.HostJoined.fromPartial({ installation: SITE, host, role, ...more }),
      );
      await stack.seen('InstalledReleaseChanged', (m) => host in m.hostVersions);
    }
    await publishRelease(stack, '11.1.0');
    const at = ['--at', localIn(HOUR_MS), '--label', 'ticket=chg-4711'];
    const wrong = await lastcall.run('job', 'create', 'most', ...at, '--exclude-host', 'srv1', '--exclude-host', 'ts1', '--exclude-host', 'ws9'); // prettier-ignore
    expect(wrong.exitCode).toBe(2);
    expect(wrong.err).toMatch(/srv1 is the server[^]*ts1 must not follow later[^]*ws9 is no host/);
    await done('job', 'create', 'most', ...at, '--exclude-host', 'ws1');
    expect(await done('job', 'list', '--label', 'ticket=chg-4711')).toMatch(/^[^\n]*\nmost [^\n]*\n$/);
    await done('job', 'start', 'most');
    const { message } = await stack.seen('RunStarted', (m) => m.run?.job === 'most');
    expect(message.run?.hosts.map((h) => h.host).toSorted()).toEqual(['srv1', 'ts1', 'ws2']);
    await done('job', 'edit', 'most', '--exclude-host', '', '--label', '');
    expect(await shown('most')).not.toMatch(/Without|Labels/);
  });

  it('refuses jobs that follow each other in a circle, however long it is', async () => {
    for (const [job, ...more] of [['first'], ['second', '--follow-up', 'first'], ['third', '--follow-up', 'second']])
      await done('job', 'create', job ?? '', '--type', 'data-backup', '--at', localIn(HOUR_MS), ...more);
    const circle = await lastcall.run('job', 'edit', 'first', '--follow-up', 'third');
    expect([circle.exitCode, circle.err]).toEqual([2, expect.stringContaining('first → third → second → first')]);
    const itself = await lastcall.run('job', 'edit', 'first', '--follow-up', 'first');
    expect([itself.exitCode, itself.err]).toEqual([2, expect.stringContaining('is the job itself')]);
  });

  it('lists everything that is wrong with a job when it is to be enabled', async () => {
    await done('job', 'create', 'after', '--type', 'data-backup', '--now');
    const at = localIn(-HOUR_MS).slice(0, 16);
    const end = localIn(-HOUR_MS / 2).slice(11, 16);
    await done(
      'job',
      'create',
      'wrong',
      '--at',
      at,
      '--window-end',
      end,
      '--version',
      '99.0.0',
      '--follow-up',
      'after',
    );
    await done('job', 'delete', 'after');
    const { exitCode, err } = await lastcall.run('job', 'enable', 'wrong');
    expect(exitCode).toBe(3);
    expect(err).toMatch(/job\.start: \S+ is in the past/);
    expect(err).toMatch(
      /job\.window_end: the run may take 2 h \(its maximum run time\), and the window .* is (29|30) min long/,
    );
    expect(err).toMatch(/job\.follow_up_job: there is no job after/);
    expect(err).toMatch(/job\.version: 99\.0\.0 cannot be installed/);
  });

  it('lets a job wait for a second person where the installation demands it', async () => {
    expect(await done('installation', 'set', SITE, '--approval', 'required')).toContain('jobs need that of a second');
    const weaker = await lastcall.run('installation', 'set', SITE, '--approval', 'none');
    expect([weaker.exitCode, weaker.err]).toEqual([6, expect.stringContaining('only an administrator')]);
    const name = `${NAME}/jobs/grave`;
    await done('job', 'create', 'grave', '--type', 'data-backup', '--at', localIn(HOUR_MS));
    const early = await lastcall.run('job', 'start', 'grave');
    expect([early.exitCode, early.err]).toEqual([3, expect.stringContaining('the approval of a second person')]);
    expect(await done('job', 'enable', 'grave')).toMatch(
      /State +waiting-for-approval\n(?:.*\n)*Approval +asked for by otto/,
    );
    expect(await shown('grave')).toContain('Waits for approval: otto has asked for it');
    const self = await lastcall.run('job', 'approve', 'grave');
    expect([self.exitCode, self.err]).toEqual([3, expect.stringContaining('another person')]);
    const second = stack.client(schedulerV1.SchedulerServiceService, 'approver');
    await second.rejectJob({ name, reason: 'not in that week' });
    expect(await shown('grave')).toContain('Disabled, because approver rejected it: not in that week.');
    await done('job', 'enable', 'grave');
    const { job } = await second.approveJob({ name, etag: '', confirmedCautions: [] });
    expect(job).toMatchObject({
      state: schedulerV1.JobState.ENABLED,
      approval: { askedBy: 'otto', approvedBy: 'approver' },
    });
    expect((await lastcall.run('job', 'start', 'grave')).err).not.toContain('approval');
    await stack.client(catalogV1.CatalogServiceService).updateInstallation({
      installation: catalogV1.Installation.fromPartial({ name: NAME }),
      updateMask: ['approval_required'],
    });
    expect(await done('installation', 'show', SITE)).not.toContain('Approval');
  });
});
