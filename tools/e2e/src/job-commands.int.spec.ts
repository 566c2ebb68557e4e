import { catalogModule } from '@lastcall/catalog';
import { schedulerModule } from '@lastcall/scheduler';
import { attachSession } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { commandLineOn, type CommandLine } from './world/command-line.js';
import { addSite, localIn, SITE } from './world/site.js';

/*
 * What operators do with jobs on the command line, against the real catalog, scheduler and session service.
 */

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
  });
}

suite('jobs on the command line, embedded', {});
describeWith('nats', 'jobs on the command line, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('jobs', { bus: 'nats', store: 'mongodb' }));
});
