import { formatName, schedulerV1 } from '@lastcall/contracts';
import { HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationFailed, UsageError } from '../failures.js';
import { time } from '../render/time.js';
import { lastPart, outcomeWord } from '../render/words.js';
import type { Work } from '../work.js';

/* Which run is meant, when nobody names one. */

const SOON_MS = HOUR_MS;
/** How long after its due time a job may take to lead to a run. */
const GRACE_MS = MINUTE_MS;
const ASK_EVERY_MS = 300;

/** The run that is named, else the newest, of one job where that is named. */
export async function namedOrNewest(work: Work, id: string | undefined, job = ''): Promise<string> {
  const { name: parent } = await work.installation();
  if (id !== undefined) return formatName('run', { installation: lastPart(parent), run: lastPart(id) });
  const run = await newestRun(work, job);
  if (run) return run.name;
  throw new UsageError('there is no run yet; "lastcall job enable" or "lastcall job start" lead to one');
}

/** The run to watch: named, else the active one, else that of the next job that is due within the hour, else the newest. */
export async function runToWatch(work: Work, id: string | undefined, job = ''): Promise<string> {
  if (id !== undefined) return namedOrNewest(work, id);
  const newest = await newestRun(work, job);
  if (newest && outcomeWord(newest.outcome) === '') return newest.name;
  const next = await nextJob(work, job);
  return next ? runOfDueJob(work, next) : namedOrNewest(work, undefined, job);
}

/** The run that an enabled job leads to when it is due. Fails when it is skipped or missed, with the reason. */
export async function runOfDueJob(work: Work, job: schedulerV1.Job): Promise<string> {
  const { name: parent, timeZone } = await work.installation();
  const id = lastPart(job.name);
  const dueAt = job.nextDueTime ?? new Date();
  work.note(`waiting for job ${id}, due ${time(dueAt, timeZone)}`);
  for (;;) {
    const firing = await firingAt(work, job.name, dueAt);
    if (firing?.fate === schedulerV1.FiringFate.FIRED) return `${parent}/runs/${lastPart(firing.run)}`;
    if (firing && firing.fate > schedulerV1.FiringFate.FIRED) {
      throw new OperationFailed(`job ${id} was not run: ${firing.reason}`);
    }
    if (Date.now() > dueAt.getTime() + GRACE_MS) throw new OperationFailed(`job ${id} is due and has led to no run`);
    await delay(Math.min(Math.max((dueAt.getTime() - Date.now()) / 2, ASK_EVERY_MS), 10_000));
  }
}

async function firingAt(work: Work, parent: string, dueAt: Date): Promise<schedulerV1.Firing | undefined> {
  const request = schedulerV1.ListFiringsRequest.fromPartial({ parent, pageSize: 1 });
  const [firing] = (await work.services.scheduler.listFirings(request)).firings;
  return firing?.nominalTime && firing.nominalTime >= dueAt ? firing : undefined;
}

async function newestRun(work: Work, job: string): Promise<schedulerV1.Run | undefined> {
  const { name: parent } = await work.installation();
  const request = schedulerV1.ListRunsRequest.fromPartial({ parent, pageSize: 1, job: lastPart(job) });
  return (await work.services.scheduler.listRuns(request)).runs[0];
}

async function nextJob(work: Work, job: string): Promise<schedulerV1.Job | undefined> {
  const { name: parent } = await work.installation();
  const request = schedulerV1.ListJobsRequest.fromPartial({ parent, pageSize: 1_000 });
  const due = (j: schedulerV1.Job): number => j.nextDueTime?.getTime() ?? Infinity;
  return (await work.services.scheduler.listJobs(request)).jobs
    .filter((j) => j.state === schedulerV1.JobState.ENABLED && due(j) < Date.now() + SOON_MS)
    .filter((j) => job === '' || lastPart(j.name) === lastPart(job))
    .toSorted((a, b) => due(a) - due(b))[0];
}
