import { formatName, jobType, schedulerV1 } from '@lastcall/contracts';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { choice } from '../option-values.js';
import { noteOutlook, suggestionsText } from '../render/outlook.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';

interface SuggestOptions {
  readonly job?: string;
  readonly type?: 'software-update' | 'data-backup';
}

export function addSuggestTime(cli: Cli, noun: ReturnType<Cli['noun']>): void {
  cli.define<SuggestOptions>(
    noun,
    {
      use: 'suggest-time',
      does: 'Names three quieter times, with the reasons: business hours, holidays, who is usually there, what else is due',
      example: 'lastcall job suggest-time --job update-11-1',
      installation: true,
      options: (command) =>
        command
          .option('--job <job>', 'for this job, which is judged too')
          .addOption(
            choice('--type <type>', 'for a new job (default: software-update)', ['software-update', 'data-backup']),
          ),
    },
    suggest,
  );
}

async function suggest(work: Work, { job: id, type }: SuggestOptions): Promise<void> {
  if (id !== undefined && type) throw new UsageError('--job and --type exclude each other');
  const { name: parent, timeZone } = await work.installation();
  const job = id === undefined ? newJob(type ?? 'software-update') : await savedJob(work, parent, id);
  const answer = await work.services.scheduler.adviseJob({ parent, job });
  if (id !== undefined) {
    for (const { caution, text } of answer.advice) work.note(`${caution}: ${text}`);
    noteOutlook(work, answer.outlook);
  }
  work.print(schedulerV1.AdviseJobResponse.toJSON(answer), () => suggestionsText(answer.suggestedTimes, timeZone));
}

function newJob(type: NonNullable<SuggestOptions['type']>): schedulerV1.Job {
  return schedulerV1.Job.fromPartial({
    title: 'A new job',
    type: jobType.toWire(type),
    start: { condition: { $case: 'immediate', value: {} } },
  });
}

async function savedJob(work: Work, parent: string, id: string): Promise<schedulerV1.Job> {
  const name = formatName('job', { installation: lastPart(parent), job: lastPart(id) });
  const { job } = await work.services.scheduler.getJob({ name });
  return job ?? schedulerV1.Job.create();
}
