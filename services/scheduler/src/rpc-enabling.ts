import type { schedulerV1 } from '@lastcall/contracts';
import { checkText, invalid, isRejected, LIMITS, type Rejected } from '@lastcall/kernel';
import { nameOf, notFound, type RpcContext, type RpcHandlers } from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import { auditConfirmations } from './confirmations.js';
import type { JobDocument } from './documents.js';
import type { JobCommand } from './domain/job.js';
import { unconfirmed, type Outlook } from './jobs.js';
import { refusedByPause } from './pauses.js';
import { obstaclesOf, refusedBy } from './readiness.js';
import { confirmationsNow, jobNamed, keptOf, since, traceparentOf, type JobParts } from './rpc-jobs.js';
import { etagOf, jobToWire } from './wire.js';

/*
 * Operators' edge: from a saved job to one that fires. Where the installation demands it, one person asks and another one agrees; everything that
 * can be known is looked at both times.
 */

type Handlers = RpcHandlers<schedulerV1.SchedulerServiceService>;
type EnablingHandlers = Pick<Handlers, 'enableJob' | 'approveJob' | 'rejectJob'>;

export function enablingHandlers(parts: JobParts): EnablingHandlers {
  return {
    enableJob: (request, context) =>
      enableWith(parts, request, context, ({ place: { approvalRequired: needsApproval } }, enabling) => ({
        ...{ type: 'enable', ...enabling, needsApproval },
      })),
    approveJob: (request, context) =>
      enableWith(parts, request, context, (_, enabling) => ({ type: 'approve', ...enabling })),
    rejectJob: (request, context) => rejectJob(parts, request, context),
  };
}

function subjectOf({ principal }: RpcContext): string {
  return principal?.subject ?? '';
}

type Request = Pick<schedulerV1.EnableJobRequest, 'name' | 'etag' | 'confirmedCautions'>;
type Enabling = Omit<Extract<JobCommand, { type: 'approve' }>, 'type'>;
type MakeCommand = (outlook: Outlook, enabling: Enabling) => Extract<JobCommand, { type: 'enable' | 'approve' }>;

async function enableWith(parts: JobParts, request: Request, { principal }: RpcContext, make: MakeCommand) {
  const found = await jobNamed(parts, request.name);
  if (isRejected(found)) return found;
  const { installation, job, state, confirmedCautions, confirmations: before } = found.data;
  if (state.phase === 'none') return notFound('job', request.name);
  const outlook = await parts.jobs.outlook(installation, state.definition, { job, principal });
  const { dueAt, lastAt, now } = outlook;
  const by = principal?.subject ?? '';
  const command = make(outlook, { dueAt, ...(lastAt !== undefined && { lastAt }), now, by });
  const refusal = await refusedNow(parts, found, outlook, [...confirmedCautions, ...request.confirmedCautions]);
  if (refusal && state.phase !== 'enabled') return refusal;
  const confirmations = confirmationsNow(outlook, request.confirmedCautions, principal, before);
  const method = command.type === 'enable' ? 'EnableJob' : 'ApproveJob';
  await auditConfirmations(parts.context, method, found.data, principal, since(now, confirmations));
  // What was looked at is what is enabled.
  const etag = request.etag === '' ? etagOf(found.version) : request.etag;
  const saved = await parts.jobs.apply({ installation, job }, command, etag, {
    ...keptOf(outlook, confirmations),
    ...traceparentOf(parts),
  });
  if (isRejected(saved)) return saved;
  parts.wakeJobs();
  return { job: jobToWire(saved.data, saved.version) };
}

async function refusedNow(
  parts: JobParts,
  { data }: Document<JobDocument>,
  outlook: Outlook,
  confirmed: readonly string[],
): Promise<Rejected | undefined> {
  if (data.state.phase === 'none') return undefined;
  const { definition } = data.state;
  const { obstacles } = await obstaclesOf(parts, data, definition, outlook);
  // What starts at once would be skipped at once.
  const pause = definition.start.kind === 'immediate' ? await parts.pauses.of(data.installation) : undefined;
  return refusedBy(obstacles) ?? (pause && refusedByPause(pause)) ?? unconfirmed(outlook.cautions, confirmed);
}

async function rejectJob(parts: JobParts, { name, reason }: schedulerV1.RejectJobRequest, context: RpcContext) {
  const id = nameOf('job', name);
  const wrong = checkText('reason', reason, { min: 1, max: LIMITS.textChars });
  if (isRejected(id)) return id;
  if (wrong) return invalid([wrong]);
  const saved = await parts.jobs.apply(id, { type: 'reject', by: subjectOf(context), reason }, '');
  return isRejected(saved) ? saved : { job: jobToWire(saved.data, saved.version) };
}
