import { commonV1, schedulerV1 } from '@lastcall/contracts';
import type { Command } from 'commander';
import { proposeJobId } from '../ask-update-job.js';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { givenFields, startOptions, type JobOptions } from '../job-options.js';
import type { Work } from '../work.js';
import { begin } from './update.js';

/*
 * Back to an older version: a run like any other, with its own checks, notice, gate and backup. What becomes of the data is said by whoever asks.
 */

interface RollBackOptions extends JobOptions {
  readonly to: string;
  readonly reason: string;
  readonly dataFrom?: string;
  readonly watch?: boolean;
}

export function addRollBack(cli: Cli, noun: Command): void {
  cli.define<RollBackOptions>(
    noun,
    {
      use: 'rollback',
      does: 'Takes an installation back to an older version in a run of its own: checks, notice, gate, backup',
      example: 'lastcall release rollback --to 11.0.0 --data-from rp-r-5k2 --reason "loses bookings" --in 10m',
      installation: true,
      options: (command) =>
        startOptions(command)
          .requiredOption('--to <version>', 'older version')
          .requiredOption('--reason <text>', 'why, for people; it becomes the remarks of the job')
          .option(
            '--data-from <restore point>',
            'backup that the data is brought back from: needed when versions in between changed it; what was entered since is lost',
          )
          .option('--reaction-time <span>', "from the notice to the logoff (default: the installation's)")
          .option('--message <text>', 'text for users')
          .option('--watch', 'watch the run, also when it has to be waited for')
          .option('--no-watch', 'do not watch the run'),
    },
    rollBack,
  );
}

async function rollBack(work: Work, options: RollBackOptions): Promise<number | void> {
  const installation = await work.installation();
  const { to: version, reason: remarks, dataFrom = '' } = options;
  const given = givenFields(options, installation.timeZone);
  if (!given.start) throw new UsageError('says no time: give --at, --in or --now');
  const job = schedulerV1.Job.fromPartial({
    ...given,
    title: `Back to ${version}`,
    type: commonV1.JobType.SOFTWARE_UPDATE,
    version,
    remarks,
    downgrade: { dataFrom },
  });
  return begin(work, await proposeJobId(work, installation, version, 'rollback'), job, options);
}
