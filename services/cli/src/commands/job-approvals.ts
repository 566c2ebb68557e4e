import { withCautions } from '../cautions.js';
import type { Cli } from '../define.js';
import { repeatable } from '../option-values.js';
import type { Work } from '../work.js';
import { jobNameOf, printJob } from './job-text.js';

/* What a second person says to a job. */

export function addJobApprovals(cli: Cli, noun: ReturnType<Cli['noun']>): void {
  cli.define<{ confirm?: string[] }>(
    noun,
    {
      use: 'approve <job>',
      does: 'Agrees to a job that another person has asked to enable',
      example: 'lastcall job approve update-11-1',
      installation: true,
      options: (command) =>
        command.addOption(repeatable('--confirm <caution>', 'a caution that you accept; several times')),
    },
    approve,
  );
  cli.define<{ reason: string }>(
    noun,
    {
      use: 'reject <job>',
      does: 'Refuses a job that waits for approval; it is disabled, with the reason',
      example: 'lastcall job reject update-11-1 --reason "Not in the week of the fair"',
      installation: true,
      options: (command) => command.requiredOption('--reason <text>', 'why, shown with the job'),
    },
    reject,
  );
}

async function approve(work: Work, { confirm = [] }: { confirm?: string[] }, id: string): Promise<void> {
  const name = await jobNameOf(work, id);
  const { job } = await withCautions(work, confirm, (confirmedCautions) =>
    work.services.scheduler.approveJob({ name, etag: '', confirmedCautions }),
  );
  await printJob(work, job);
}

async function reject(work: Work, { reason }: { reason: string }, id: string): Promise<void> {
  const { job } = await work.services.scheduler.rejectJob({ name: await jobNameOf(work, id), reason });
  await printJob(work, job);
}
