import {
  formatName,
  parseName,
  type MethodDefinition,
  type Principal,
  type RequestOf,
  type ResponseOf,
  type approvalV1,
} from '@lastcall/contracts';
import {
  checkText,
  collect,
  DAY_MS,
  HOUR_MS,
  invalid,
  isRejected,
  randomId,
  reject,
  RejectedError,
  type Rejected,
} from '@lastcall/kernel';
import { removeOld } from '../duties/old-documents.js';
import { nameOf, notFound, pageOf, readPage } from '../requests.js';
import type { Duty, RpcContext, ServiceContext } from '../service.js';
import type { ApprovalCommand, Ask, KnownApproval } from './approval.js';
import {
  approvalToWire,
  BY_INSTALLATION,
  BY_TIME,
  decideOn,
  openApprovals,
  waitingIn,
  type ApprovalDocuments,
} from './approval-documents.js';
import { DEFAULT_VALID_MS, type SecondPersonRule } from './rule.js';
import { shownRequest } from './shown-request.js';

/*
 * Actions of a service that need a second person where their installation says so. A guarded method is prepared first (wrong requests
 * never wait), and then is carried out at once, or left as a request that somebody else agrees to. What is carried out then is what was
 * sent, to the letter, prepared anew. One write decides who has agreed, so it is done once; a service that dies on the way does not begin again.
 */

/** A request that is right. */
export interface Prepared<Res> {
  /** `ALL_INSTALLATIONS`: it concerns each of them, so that a credential of one neither sees it nor decides on it. */
  readonly installation: string;
  /** What the installation's rule names of it; undefined: nobody else is needed. */
  readonly action: string | undefined;
  readonly rule: SecondPersonRule | undefined;
  /** Why, for people; empty: not said. */
  readonly reason: string;
  /** The request as people see it; absent: the whole. */
  readonly shown?: unknown;
  /** `who`: for the record; both, where there are two. */
  readonly perform: (who: string) => Promise<Res | Rejected>;
}

export type Prepare<M extends MethodDefinition> = (
  request: RequestOf<M>,
  context: RpcContext,
) => Promise<Prepared<ResponseOf<M>> | Rejected>;

export interface Approvals {
  /** The handler of a method that may need two. */
  guard<M extends MethodDefinition>(
    method: M,
    prepare: Prepare<M>,
  ): (request: RequestOf<M>, context: RpcContext) => Promise<ResponseOf<M> | Rejected>;
  readonly handlers: ApprovalHandlers;
  /** Removes what was kept for long enough. */
  readonly duty: Duty;
}

/** The same three methods in every service that has such actions. */
export interface ApprovalHandlers {
  listApprovals(request: {
    parent: string;
    pageSize: number;
    pageToken: string;
  }): Promise<{ approvals: approvalV1.Approval[]; nextPageToken: string } | Rejected>;
  grantApproval(request: { name: string }, context: RpcContext): Promise<Decided | Rejected>;
  refuseApproval(request: { name: string; reason: string }, context: RpcContext): Promise<Decided | Rejected>;
}

interface Decided {
  approval: approvalV1.Approval | undefined;
}

/** In the place of an installation's id, as in AIP-159. */
export const ALL_INSTALLATIONS = '-';

const MAX_PAGE = 50;
/** That may wait at the same time in one installation. */
const MAX_WAITING = 50;
const MAX_REASON_CHARS = 1_000;
const KEPT_MS = 90 * DAY_MS;

type Ground = Pick<ServiceContext<object>, 'store' | 'audit' | 'log'>;
type Id = Readonly<Record<'installation' | 'approval', string>>;

interface Guarded {
  readonly method: MethodDefinition;
  readonly prepare: (request: unknown, context: RpcContext) => Promise<Prepared<unknown> | Rejected>;
}

interface Parts extends Ground {
  readonly documents: ApprovalDocuments;
  /** By their full gRPC method. */
  readonly guarded: Map<string, Guarded>;
}

export async function createApprovals({ store, log, audit }: Ground): Promise<Approvals> {
  const parts: Parts = { store, log, audit, documents: await openApprovals(store), guarded: new Map() };
  return {
    guard: (method, prepare) => {
      parts.guarded.set(method.path, { method, prepare: prepare as Guarded['prepare'] });
      return async (request, context) => {
        const prepared = await prepare(request, context);
        if (isRejected(prepared)) return prepared;
        const { subject = '', role = 'viewer' } = context.principal ?? {};
        if (prepared.action === undefined) return prepared.perform(subject);
        const bytes = method.requestSerialize(request).toString('base64');
        return leave(parts, prepared, { method: method.path, request: bytes, requestedBy: subject, role }, request);
      };
    },
    handlers: {
      listApprovals: (request) => list(parts, request),
      grantApproval: ({ name }, context) => grant(parts, name, context),
      refuseApproval: ({ name, reason }, context) => refuse(parts, name, reason, context),
    },
    duty: {
      name: 'approvals that are over',
      everyMs: 6 * HOUR_MS,
      runOnce: async (signal) => {
        const before = (await store.now()) - KEPT_MS;
        const { documents: collection } = parts;
        await removeOld({ collection, index: BY_TIME, field: 'asked_at', before, mayGo: () => true }, signal);
        return undefined;
      },
    },
  };
}

type Sent = Pick<Ask, 'method' | 'request' | 'requestedBy' | 'role'>;

/** Leaves the request, or finds the same one of the same person that still waits. Answers the refusal that says so. */
async function leave(
  { documents, store }: Parts,
  { installation, action = '', rule, reason, shown }: Prepared<unknown>,
  sent: Sent,
  request: unknown,
): Promise<Rejected> {
  const now = await store.now();
  const waiting = await waitingIn(documents, installation, now);
  const same = waiting.find(({ ask }) => {
    return ask.method === sent.method && ask.request === sent.request && ask.requestedBy === sent.requestedBy;
  });
  if (same) return needed(same.id, same.ask);
  if (waiting.length >= MAX_WAITING) {
    const message = `${MAX_WAITING} requests wait for a second person in ${installation}; refuse some: lastcall approval list`;
    return reject('too-many', 'TOO_MANY_APPROVALS', message);
  }
  const approval = randomId('ap');
  const ask: Ask = {
    ...{ installation, action, ...sent, reason: [...reason].slice(0, MAX_REASON_CHARS).join('') },
    shown: shownRequest(shown ?? request),
    askedAt: now,
    expiresAt: now + (rule?.validMs ?? DEFAULT_VALID_MS),
  };
  await decideOn(documents, { installation, approval }, () => ({ type: 'ask', ask }));
  return needed(approval, ask);
}

function needed(approval: string, { installation, action, expiresAt }: Ask): Rejected {
  const expires = new Date(expiresAt).toISOString();
  const message =
    `This needs a second person (${action}). It waits as ${approval} until ${expires}; ` +
    `somebody else agrees with: lastcall approval approve ${approval} -i ${installation}`;
  return reject('refused', 'SECOND_PERSON_NEEDED', message, { facts: { approval, action, expires } });
}

async function list(
  { documents, store }: Parts,
  request: Parameters<ApprovalHandlers['listApprovals']>[0],
): ReturnType<ApprovalHandlers['listApprovals']> {
  const parent = placeOf(request.parent);
  const page = pageOf(request);
  if (isRejected(parent)) return parent;
  if (isRejected(page)) return page;
  const now = await store.now();
  const query = { index: BY_INSTALLATION, where: parent, order: 'descending' } as const;
  const bounded = { ...page, limit: Math.min(page.limit, MAX_PAGE) };
  const found = await readPage(documents, query, bounded, ({ id, data }) => approvalToWire(id, data, now));
  return isRejected(found) ? found : { approvals: found.items, nextPageToken: found.nextPageToken };
}

async function grant(parts: Parts, name: string, context: RpcContext): Promise<Decided | Rejected> {
  const id = idOf(name);
  if (isRejected(id)) return id;
  const by = context.principal?.subject ?? '';
  const granted = await decide(parts, id, (at) => ({ type: 'grant', by, at }));
  if (isRejected(granted)) return granted;
  const why = await carryOut(parts, name, granted.ask, by, context);
  const failed = why !== undefined && { why: why.slice(0, MAX_REASON_CHARS) };
  const ended = await decide(parts, id, () => ({ type: 'finish', ...failed }));
  return isRejected(ended) ? ended : { approval: approvalToWire(id.approval, ended, 0) };
}

async function refuse(parts: Parts, name: string, why: string, { principal }: RpcContext): Promise<Decided | Rejected> {
  const id = idOf(name);
  const wrong = collect(checkText('reason', why, { min: 1, max: MAX_REASON_CHARS }));
  if (isRejected(id)) return invalid([...id.violations, ...wrong]);
  if (wrong.length > 0) return invalid(wrong);
  const by = principal?.subject ?? '';
  const refused = await decide(parts, id, (at) => ({ type: 'refuse', by, why, at }));
  return isRejected(refused) ? refused : { approval: approvalToWire(id.approval, refused, 0) };
}

function placeOf(parent: string): Pick<Id, 'installation'> | Rejected {
  return parent === `installations/${ALL_INSTALLATIONS}`
    ? { installation: ALL_INSTALLATIONS }
    : nameOf('installation', parent, 'parent');
}

function idOf(name: string): Id | Rejected {
  const ofAll = parseName('approvalOfAll', 'name', name);
  return ofAll.ok ? { installation: ALL_INSTALLATIONS, ...ofAll.parts } : nameOf('approval', name);
}

async function decide(
  { documents }: Parts,
  id: Id,
  command: (at: number) => ApprovalCommand,
): Promise<KnownApproval | Rejected> {
  const decided = await decideOn(documents, id, command);
  return isRejected(decided) && decided.code === 'not-found'
    ? notFound('approval', formatName('approval', id))
    : decided;
}

/** What was asked for, now that `by` has agreed. Answers why it was not done; undefined: it was. */
async function carryOut(
  { audit, log, guarded }: Parts,
  name: string,
  ask: Ask,
  by: string,
  context: RpcContext,
): Promise<string | undefined> {
  const { method, requestedBy, role, reason } = ask;
  const changes = JSON.stringify({ approvedBy: { after: by } });
  try {
    await audit({ actor: requestedBy, method, resource: name, reason, changes });
    const found = guarded.get(method);
    if (!found) return `${method} is no action of this version any more`;
    const request: unknown = found.method.requestDeserialize(Buffer.from(ask.request, 'base64'));
    // As whoever asked: what their role allows is looked at again, and not what the other's does.
    const principal: Principal = { subject: requestedBy, role, token: '' };
    const prepared = await found.prepare(request, { ...context, principal });
    const answer = isRejected(prepared) ? prepared : await prepared.perform(`${requestedBy}, approved by ${by}`);
    return isRejected(answer) ? answer.message : undefined;
  } catch (error) {
    if (error instanceof RejectedError) return error.rejected.message;
    log.warn({ err: error, approval: name }, 'an action that two had agreed on broke off');
    return 'it broke off, and whether it happened is not known: look before you ask again';
  }
}
