import { catalogV1, commonV1, formatName, msToDuration, schedulerV1 } from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import type { Channel } from './channel.js';
import { CallError, CODE } from './call-error.js';
import { createClient } from './client.js';

/* Is there something newer, and: take it. */

/** Answer of `checkUpdate`. */
export interface UpdateCheck {
  /** Empty when unknown. */
  readonly installedVersion: string;
  /** Newest release that the installation may take. */
  readonly release: { readonly version: string; readonly title: string; readonly notes: string } | undefined;
  /** Why there is none, or why the newest cannot be taken. */
  readonly reason: string;
  /** Versions to install one after the other up to the newest that can be reached; `release` is the first of them. */
  readonly path: readonly string[];
}

/** Is there something newer for this installation, and may it take it? Credentials of applications may ask. */
export async function checkUpdate(channel: Channel, installation: string): Promise<UpdateCheck> {
  const catalog = createClient(catalogV1.CatalogServiceService, channel);
  const answer = await catalog.checkUpdate(
    catalogV1.CheckUpdateRequest.fromPartial({ name: formatName('installation', { installation }) }),
  );
  const { installedVersion, release, reason, path } = answer;
  return { installedVersion, release: release && pick(release), reason, path };
}

function pick({ version, title, notes }: catalogV1.Release) {
  return { version, title, notes };
}

/** What to update, when, and how. */
export interface UpdateOptions {
  readonly installation: string;
  /** Local date and time in the installation's zone, `YYYY-MM-DDTHH:MM[:SS]`; absent: now. */
  readonly localTime?: string | undefined;
  /** Id of the job; default: a new one that begins with `update-`. The same id again is refused. */
  readonly jobId?: string | undefined;
  readonly title?: string | undefined;
  /** Default: the newest that the installation may take. */
  readonly version?: string | undefined;
  /** Text for users. */
  readonly message?: string | undefined;
  /** From the notice to the logoff; default: the installation's. */
  readonly reactionTimeMs?: number | undefined;
  /** The operator made a backup elsewhere; default: Lastcall takes one. */
  readonly backupMadeElsewhere?: boolean | undefined;
  /** Cautions that the operator has read and accepts, such as `users-logged-in`. */
  readonly confirmedCautions?: readonly string[] | undefined;
}

/** What became of `updateNow`. */
export interface UpdateBegun {
  /** `installations/{installation}/jobs/{job}`. */
  readonly job: string;
  /** `installations/{installation}/runs/{run}`; undefined while a timed job is not due. */
  readonly run: string | undefined;
  /** Notes about the time, for example that it does not exist because of daylight saving. */
  readonly notes: readonly string[];
}

/**
 * Saves a software-update job and starts it: at once, or enabled for a time. Needs an operator's credential. Throws a CallError
 * with reason CONFIRMATION_REQUIRED and the cautions as violations when there are some that were not confirmed; nothing is
 * saved then.
 */
export async function updateNow(channel: Channel, options: UpdateOptions): Promise<UpdateBegun> {
  const scheduler = createClient(schedulerV1.SchedulerServiceService, channel);
  const { installation, jobId = randomId('update'), localTime } = options;
  const confirmedCautions = [...(options.confirmedCautions ?? [])];
  const { notes } = await scheduler.createJob(
    schedulerV1.CreateJobRequest.fromPartial({
      parent: formatName('installation', { installation }),
      jobId,
      job: updateJob(options),
      confirmedCautions,
    }),
  );
  const name = formatName('job', { installation, job: jobId });
  try {
    if (localTime === undefined) {
      const { run } = await scheduler.startJob({ name, confirmedCautions, requestId: jobId });
      return { job: name, run, notes };
    }
    await scheduler.enableJob({ name, etag: '', confirmedCautions });
    return { job: name, run: undefined, notes };
  } catch (error) {
    // Somebody logged in between the two calls, for example. The job goes, so that the same call can be made again.
    if (error instanceof CallError && error.code === CODE.failedPrecondition) {
      await scheduler.deleteJob({ name, etag: '' }).catch(() => {});
    }
    throw error;
  }
}

function updateJob(options: UpdateOptions): schedulerV1.Job {
  const { localTime, reactionTimeMs } = options;
  return schedulerV1.Job.fromPartial({
    title: options.title ?? 'Software update',
    type: commonV1.JobType.SOFTWARE_UPDATE,
    start: {
      condition: localTime === undefined ? { $case: 'immediate', value: {} } : { $case: 'time', value: { localTime } },
    },
    version: options.version ?? '',
    message: options.message ?? '',
    ...(reactionTimeMs === undefined ? {} : { reactionTime: msToDuration(reactionTimeMs) }),
    backupMode: options.backupMadeElsewhere ? commonV1.BackupMode.MADE_ELSEWHERE : commonV1.BackupMode.TAKE,
  });
}
