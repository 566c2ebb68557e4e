import { catalogV1, dateToAt, formatName, preflightV1, schedulerV1 } from '@lastcall/contracts';
import { checkId, invalid, isRejected, randomId, reject, type Rejected } from '@lastcall/kernel';
import {
  nameOf,
  neededBy,
  notFound,
  pageOf,
  parseRule,
  readPage,
  type Approvals,
  type Prepared,
  type RpcContext,
  type RpcHandlers,
  type ServiceContext,
} from '@lastcall/runtime';
import { BY_INSTALLATION, type Documents, type OverrideDocument } from './documents.js';
import { refuseOverride } from './domain/override.js';
import { MOST_STANDING, standingOverrides } from './overrides.js';
import type { PreflightSettings } from './settings.js';
import { overrideToWire } from './wire.js';

/* Operators' edge: what a person has said about checks. Nothing is deleted: what was taken back and what is over stays to be read. */

const CREATE = '/lastcall.preflight.v1.PreflightService/CreateOverride';

type Context = ServiceContext<PreflightSettings>;
type Handlers = Pick<
  RpcHandlers<typeof preflightV1.PreflightServiceService>,
  'createOverride' | 'listOverrides' | 'revokeOverride'
>;

export function overrideHandlers(context: Context, documents: Documents, approvals: Approvals): Handlers {
  const { createOverride } = preflightV1.PreflightServiceService;
  return {
    createOverride: approvals.guard(createOverride, (request, call) =>
      prepareOverride(context, documents, request, call),
    ),
    listOverrides: async (request) => {
      const parent = nameOf('installation', request.parent, 'parent');
      const page = pageOf(request);
      if (isRejected(parent)) return parent;
      if (isRejected(page)) return page;
      const { installation } = parent;
      const query = { index: BY_INSTALLATION, where: { installation }, order: 'descending' } as const;
      const found = await readPage(documents.overrides, query, page, ({ data }) => overrideToWire(installation, data));
      return isRejected(found) ? found : { overrides: found.items, nextPageToken: found.nextPageToken };
    },
    revokeOverride: (request, call) => revokeOverride(documents, request, call),
  };
}

async function prepareOverride(
  context: Context,
  documents: Documents,
  request: preflightV1.CreateOverrideRequest,
  { principal }: RpcContext,
): Promise<Prepared<preflightV1.CreateOverrideResponse> | Rejected> {
  const parent = nameOf('installation', request.parent, 'parent');
  if (isRejected(parent)) return parent;
  const { installation } = parent;
  const now = await context.store.now();
  const { job = '', check = '', host = '', reason = '', expireTime } = request.override ?? {};
  const expiresAt = dateToAt(expireTime);
  const wrongJob = checkId('override.job', job);
  const place = await placeOf(context, installation);
  const hostIds = place?.hosts.map((h) => h.host) ?? [];
  const refusal = refuseOverride({ check, host, reason, expiresAt }, hostIds, now);
  if (wrongJob) return invalid([wrongJob, ...(refusal?.violations ?? [])]);
  if (refusal || expiresAt === undefined) return refusal ?? invalid([]);
  // Refused when there is none.
  const name = formatName('job', { installation, job });
  const planned = await context.client(schedulerV1.SchedulerServiceService).getJob({ name });
  const asker = principal?.subject ?? '';
  const alone = place?.approvalRequired === true && needsSecondPerson(planned.job?.approval, asker);
  if (alone) return alone;
  if ((await standingOverrides(documents, { installation, job }, now)).length >= MOST_STANDING) {
    const message = `${MOST_STANDING} overrides of job ${job} stand; take some back: lastcall preflight overrides revoke`;
    return reject('too-many', 'TOO_MANY_OVERRIDES', message);
  }
  const rule = place?.secondPerson && parseRule(place.secondPerson);
  const wanted = { installation, job, check, host, reason, expiresAt };
  return {
    ...{ installation, action: neededBy(rule, 'override'), rule, reason },
    perform: (createdBy) => override(context, documents, { ...wanted, createdBy }),
  };
}

async function override(
  context: Context,
  documents: Documents,
  wanted: Omit<OverrideDocument, 'override' | 'createdAt'>,
): Promise<preflightV1.CreateOverrideResponse> {
  const { installation, job, check, host, reason, expiresAt, createdBy } = wanted;
  const override = randomId('o');
  // The record of the call itself does not say what about.
  const what = `${check}${host === '' ? '' : ` on ${host}`} of job ${job} until ${new Date(expiresAt).toISOString()}: ${reason}`;
  const resource = formatName('override', { installation, override });
  await context.audit({ actor: createdBy, method: CREATE, resource, reason: what });
  const write = { ...wanted, override, createdAt: await context.store.now() };
  await documents.overrides.change<undefined>(override, () => ({ write, result: undefined }));
  return { override: overrideToWire(installation, write) };
}

async function placeOf(context: Context, installation: string): Promise<catalogV1.Installation | undefined> {
  const name = formatName('installation', { installation });
  return (await context.client(catalogV1.CatalogServiceService).getInstallation({ name })).installation;
}

/** Where a job needs two people, so does what lets it go ahead: whoever enables it overrides none of its checks. */
function needsSecondPerson(approval: schedulerV1.Approval | undefined, by: string): Rejected | undefined {
  if (approval && approval.askedBy !== by) return undefined;
  const message = approval
    ? `${by} has enabled the job; in this installation another person has to override its checks`
    : 'in this installation a job is enabled first; then another person may override its checks';
  return reject('refused', 'SECOND_PERSON_NEEDED', message);
}

async function revokeOverride(
  { overrides }: Documents,
  { name }: preflightV1.RevokeOverrideRequest,
  { principal }: RpcContext,
): Promise<preflightV1.RevokeOverrideResponse | Rejected> {
  const id = nameOf('override', name);
  if (isRejected(id)) return id;
  const revokedBy = principal?.subject ?? '';
  const found = await overrides.change<OverrideDocument | undefined>(id.override, (current, { now }) => {
    if (current?.installation !== id.installation) return { keep: undefined };
    if (current.revokedAt !== undefined || current.expiresAt <= now) return { keep: current };
    const write = { ...current, revokedBy, revokedAt: now };
    return { write, result: write };
  });
  return found ? { override: overrideToWire(id.installation, found) } : notFound('override', name);
}
