import { catalogModule } from '@lastcall/catalog';
import { schedulerV1 } from '@lastcall/contracts';
import { schedulerModule } from '@lastcall/scheduler';
import { attachSession } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { commandLineOn, type CommandLine } from './world/command-line.js';
import { addSite, localIn, NAME, SITE } from './world/site.js';

/*
 * What operators do with jobs on the command line, against the real catalog, scheduler and session service.
 */

const { SKIPPED } = schedulerV1.FiringFate;
const HOUR_MS = 3_600_000;

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    let lastcall: CommandLine;
    beforeAll(async () => {
      stack = await startStack({ modules: [catalogModule, schedulerModule, sessionModule], ...pair });
      await addSite(stack);
      lastcall = commandLineOn(stack);
    });
    afterAll(() => stack.stop());

    /** What it said on stdout; fails when the command does. */
    async function done(...args: readonly string[]): Promise<string> {
      const { exitCode, out, err } = await lastcall.run(...args);
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
      await done('job', 'create', 'tonight', '--type', 'data-backup', '--at', localIn(3_000), '--enable');
      await done('job', 'skip-next', 'tonight');
      await until(async () => (await firings('tonight')).length > 0, 'the record', 10_000);
      expect(await firings('tonight')).toMatchObject([{ fate: SKIPPED, reason: 'otto had said to skip it' }]);
      const again = await lastcall.run('job', 'skip-next', 'tonight');
      expect([again.exitCode, again.err]).toEqual([3, expect.stringContaining('it is done')]);
    });

    it('lets nothing start while jobs are paused, says why, and goes on by itself', async () => {
      await done('job', 'create', 'closing', '--type', 'data-backup', '--at', localIn(1_500), '--enable');
      const paused = await done('job', 'pause', '--reason', 'Year-end closing', '--until', localIn(5_000));
      expect(paused).toMatch(/^Paused until .* \(Europe\/Berlin\) by otto: Year-end closing\n$/);
      await until(async () => (await firings('closing'))[0]?.fate === SKIPPED, 'the record');
      expect((await firings('closing'))[0]?.reason).toContain('otto has paused all jobs of the installation');
      expect(await shown('nightly')).toContain('would be skipped today: otto has paused all jobs');
      expect(await done('job', 'list')).toContain('by otto: Year-end closing');
      const refused = await lastcall.run('job', 'start', 'nightly');
      expect([refused.exitCode, refused.err]).toEqual([3, expect.stringContaining('Year-end closing')]);
      await until(async () => !(await done('job', 'list')).includes('Year-end'), 'its end', 10_000);
      await done('job', 'pause', '--reason', 'Again', '--until', localIn(HOUR_MS));
      await done('job', 'resume');
      expect(await shown('nightly')).toMatch(/^Runs at [^:]*:\d\d, then/);
      const wrong = await lastcall.run('job', 'pause', '--reason', ' \u0007', '--until', '0001-01-01T00:00');
      expect(wrong.exitCode).toBe(2);
      expect(wrong.err).toMatch(/reason[^]*until_local_time/);
    });
  });
}

suite('jobs on the command line, embedded', {});
describeWith('nats', 'jobs on the command line, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('jobs', { bus: 'nats', store: 'mongodb' }));
});
