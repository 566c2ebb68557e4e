import type { EventEnvelope, EventMessage } from '@lastcall/contracts';
import { formatName } from '@lastcall/contracts';
import type { ServiceContext } from '@lastcall/runtime';
import { pagesOf, type Document } from '@lastcall/store';
import { INSTALLING, PLANNED, type Documents, type JobDocument } from './documents.js';
import { canBeCancelled } from './domain/run.js';
import { jobChange } from './job-change.js';
import { jobDisabledNotification } from './notifications/notification.js';
import type { Notifications } from './notifications/notifications.js';
import type { Runs } from './runs.js';
import type { SchedulerSettings } from './settings.js';

/*
 * What a withdrawn release means for what was planned with it. Enabled jobs that name it are disabled, with the reason; what they had
 * announced to users is taken back by the same write. Runs that have not begun to install are cancelled. Each job leaves an audit
 * record, a notification and a line in the log with its owner: whoever enabled it.
 */

export interface Withdrawals {
  hear(message: EventMessage<'ReleaseWithdrawn'>, envelope: EventEnvelope): Promise<void>;
}

interface WithdrawalParts {
  readonly context: Pick<ServiceContext<SchedulerSettings>, 'audit' | 'log'>;
  readonly documents: Documents;
  readonly runs: Runs;
  readonly notifications: Notifications;
}

const PAGE = 100;
const BY = 'scheduler';
/** As if it had been called, so that who reads the audit trail finds it beside those of people. */
const DISABLE = '/lastcall.scheduler.v1.SchedulerService/DisableJob';
const CANCEL = '/lastcall.scheduler.v1.SchedulerService/CancelRun';

export function createWithdrawals(parts: WithdrawalParts): Withdrawals {
  return {
    hear: async (message, envelope) => {
      const because = withdrawnText(message);
      await disableJobs(parts, message, because, envelope);
      await cancelRuns(parts, message, because);
    },
  };
}

/** One sentence for the owners of jobs and for whoever looks at a run. */
function withdrawnText({ version, reason }: { readonly version: string; readonly reason: string }): string {
  return `the release ${version} was withdrawn: ${reason}`;
}

async function disableJobs(
  { context, notifications, documents: { jobs } }: WithdrawalParts,
  { product, version }: EventMessage<'ReleaseWithdrawn'>,
  because: string,
  envelope: EventEnvelope,
): Promise<void> {
  const stop = async ({ id, data }: Document<JobDocument>): Promise<void> => {
    const { installation, job, state } = data;
    const resource = formatName('job', { installation, job });
    const owner = state.phase === 'enabled' ? state.enabledBy : '';
    await context.audit({ actor: BY, method: DISABLE, resource, reason: because });
    // Before the write: afterwards a repeat would not find the job any more.
    await notifications.tell(jobDisabledNotification({ installation, job, reason: because, owner }, envelope.id));
    await jobs.take(id, envelope, (current) =>
      current ? jobChange(current, { type: 'disable', because }) : { keep: undefined },
    );
    context.log.warn(
      { job: resource, owner, release: version },
      'a planned job was disabled: its release was withdrawn',
    );
  };
  const where = { product, planned_version: version };
  // One that somebody enables meanwhile finds no release when it is due.
  for await (const page of pagesOf(jobs, { index: PLANNED, where, limit: PAGE }))
    for (const found of page) await stop(found);
}

async function cancelRuns(
  { context, documents, runs }: WithdrawalParts,
  { product, version }: EventMessage<'ReleaseWithdrawn'>,
  because: string,
): Promise<void> {
  for await (const page of pagesOf(documents.runs, { index: INSTALLING, where: { product, version }, limit: PAGE })) {
    for (const { id, data } of page.filter(({ data: { state } }) => canBeCancelled(state))) {
      const resource = formatName('run', { installation: data.installation, run: id });
      await context.audit({ actor: BY, method: CANCEL, resource, reason: because });
      // Refused when it has begun to install meanwhile: it ends with an outcome by itself.
      const refused = await runs.apply(id, (at) => ({ type: 'cancel', by: BY, reason: because, at }));
      context.log.warn(
        { run: resource, release: version, refused: refused?.reason },
        'the release of a run was withdrawn',
      );
    }
  }
}
