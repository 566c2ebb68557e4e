import { sessionV1 } from '@lastcall/contracts';
import { invalid, isRejected, randomId, type Rejected } from '@lastcall/kernel';
import {
  nameOf,
  notFound,
  pageOf,
  type Approvals,
  type Prepared,
  type RpcContext,
  type RpcHandlers,
} from '@lastcall/runtime';
import type { GateState, Hold } from './domain/gate-state.js';
import type { Gates } from './gates.js';
import type { Keeper } from './keeper.js';
import { wrongText } from './requests.js';
import { knownGate, prepared } from './rpc-gate.js';
import { holdToWire } from './wire.js';

/* Holds for operators: each one live, agreed to by a second person, ended with a reason. */

export interface HoldParts {
  readonly gates: Gates;
  readonly keeper: Keeper;
  readonly approvals: Approvals;
}

type Methods = 'listHolds' | 'releaseHold' | 'approveHold';
type Handlers = Pick<RpcHandlers<typeof sessionV1.SessionServiceService>, Methods>;

export function holdHandlers(parts: HoldParts): Handlers {
  const { releaseHold } = sessionV1.SessionServiceService;
  return {
    listHolds: (request) => listHolds(parts, request),
    // Somebody has said "not now": ending that is a logoff by force as well.
    releaseHold: parts.approvals.guard(releaseHold, (request) => prepareRelease(parts, request)),
    approveHold: (request, context) => approveHold(parts, request, context),
  };
}

async function listHolds(
  parts: HoldParts,
  request: sessionV1.ListHoldsRequest,
): Promise<sessionV1.ListHoldsResponse | Rejected> {
  const parsed = nameOf('installation', request.parent, 'parent');
  if (isRejected(parsed)) return parsed;
  const page = pageOf(request);
  if (isRejected(page)) return page;
  const record = await knownGate(parts, parsed.installation);
  if (isRejected(record)) return record;
  const holds = holdsOf(record.data.gate);
  const from = firstOf(holds, page.pageToken);
  if (isRejected(from)) return from;
  const items = holds.slice(from, from + page.limit);
  const next = holds[from + page.limit];
  return { holds: items.map((hold) => holdToWire(parsed.installation, hold)), nextPageToken: next?.id ?? '' };
}

function holdsOf(gate: GateState): readonly Hold[] {
  return gate.phase === 'closing' ? gate.holds : [];
}

/** The token is the id of the hold that the page begins with; one that ended meanwhile ends the list. */
function firstOf(holds: readonly Hold[], pageToken: string | undefined): number | Rejected {
  if (pageToken === undefined) return 0;
  if (!/^h-[a-z2-7]{16}$/.test(pageToken)) {
    return invalid([{ field: 'page_token', description: 'is not one of this list; begin without one' }]);
  }
  const at = holds.findIndex(({ id }) => id === pageToken);
  return at < 0 ? holds.length : at;
}

async function prepareRelease(
  parts: HoldParts,
  { name, reason }: sessionV1.ReleaseHoldRequest,
): Promise<Prepared<sessionV1.ReleaseHoldResponse> | Rejected> {
  const parsed = nameOf('hold', name);
  if (isRejected(parsed)) return parsed;
  const wrong = wrongText('reason', reason);
  if (wrong) return invalid([wrong]);
  const { installation, hold } = parsed;
  const record = await knownGate(parts, installation);
  if (isRejected(record) || !holdsOf(record.data.gate).some(({ id }) => id === hold)) return notFound('hold', name);
  return prepared(record, ['logoff'], reason, () => release(parts, { installation, hold, name, reason }));
}

async function release(
  { gates, keeper }: HoldParts,
  { installation, hold, name, reason }: Readonly<Record<'installation' | 'hold' | 'name' | 'reason', string>>,
): Promise<sessionV1.ReleaseHoldResponse | Rejected> {
  const notice = randomId('n');
  const result = await gates.apply(installation, ({ now: at }) => ({ type: 'release-hold', hold, reason, notice, at }));
  if (isRejected(result)) return result.code === 'not-found' ? notFound('hold', name) : result;
  keeper.duty.wake?.();
  return {};
}

async function approveHold(
  { gates, keeper }: HoldParts,
  { name }: sessionV1.ApproveHoldRequest,
  { principal }: RpcContext,
): Promise<sessionV1.ApproveHoldResponse | Rejected> {
  const parsed = nameOf('hold', name);
  if (isRejected(parsed)) return parsed;
  const { installation, hold: id } = parsed;
  const by = principal?.subject ?? '';
  const record = await gates.get(installation);
  const asked = record && holdsOf(record.data.gate).find((hold) => hold.id === id);
  const notice = randomId('n');
  const result = await gates.apply(installation, ({ now: at }) => ({ type: 'approve-hold', hold: id, by, notice, at }));
  if (isRejected(result)) return result.code === 'not-found' ? notFound('hold', name) : result;
  keeper.duty.wake?.();
  // A run that is postponed by it has no holds any more; it was agreed to all the same.
  const agreed = holdsOf(result.gate).find((hold) => hold.id === id) ?? asked;
  return {
    hold: agreed && holdToWire(installation, { ...agreed, awaitsApproval: false, approvedBy: agreed.approvedBy || by }),
  };
}
