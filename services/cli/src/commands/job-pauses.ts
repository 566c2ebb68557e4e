import { schedulerV1 } from '@lastcall/contracts';
import type { Cli } from '../define.js';
import { oneLine } from '../render/text.js';
import { time } from '../render/time.js';
import type { Work } from '../work.js';

/* All jobs of an installation at once. */

export function addJobPauses(cli: Cli, noun: ReturnType<Cli['noun']>): void {
  cli.define<{ reason: string; until: string }>(
    noun,
    {
      use: 'pause',
      does: 'Lets nothing of the installation start until an end; what is due is skipped, runs that have begun go on',
      example: 'lastcall job pause --reason "Year-end closing" --until 2027-01-04T06:00',
      installation: true,
      options: (command) =>
        command
          .requiredOption('--reason <text>', 'why, shown with every job and in every record')
          .requiredOption('--until <local time>', "when it ends by itself, in the installation's zone"),
    },
    pause,
  );
  cli.define(
    noun,
    { use: 'resume', does: 'Ends a pause before its time', example: 'lastcall job resume', installation: true },
    resume,
  );
}

async function pause(work: Work, { reason, until }: { reason: string; until: string }): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const untilLocalTime = until.replace(' ', 'T');
  const answer = await work.services.scheduler.pauseJobs({ parent, reason, untilLocalTime });
  work.print(schedulerV1.PauseJobsResponse.toJSON(answer), () => `${pauseLine(answer.pause, timeZone)}\n`);
}

async function resume(work: Work): Promise<void> {
  await work.services.scheduler.resumeJobs({ parent: (await work.installation()).name });
  work.print({}, () => 'jobs are not paused\n');
}

/** `Paused until 2027-01-04 06:00:00 (Europe/Berlin) by anna: Year-end closing`; empty when nothing is. */
export function pauseLine(found: schedulerV1.Pause | undefined, zone: string): string {
  return found ? `Paused until ${time(found.endTime, zone)} by ${oneLine(found.by)}: ${oneLine(found.reason)}` : '';
}
