import { approvalV1, atToDate, formatName } from '@lastcall/contracts';
import { isRejected, reject, run, type Rejected } from '@lastcall/kernel';
import { pagesOf, type Change, type Collection, type Store } from '@lastcall/store';
import {
  approvalDecider,
  isExpired,
  type ApprovalCommand,
  type ApprovalState,
  type Ask,
  type KnownApproval,
} from './approval.js';
import { MAX_VALID_MS } from './rule.js';

/* Requests for a second person in the store, a document each, and as messages. */

export type ApprovalDocuments = Collection<ApprovalState>;

export const BY_INSTALLATION = 'by_installation';
export const BY_TIME = 'by_time';

export function openApprovals(store: Store): Promise<ApprovalDocuments> {
  return store.collection<ApprovalState>({
    name: 'approvals',
    fields: (approval) => ({
      installation: approval.state === 'absent' ? undefined : approval.ask.installation,
      asked_at: approval.state === 'absent' ? undefined : approval.ask.askedAt,
    }),
    indexes: [
      { name: BY_INSTALLATION, fields: ['installation', 'asked_at'] },
      { name: BY_TIME, fields: ['asked_at'] },
    ],
  });
}

/** One decision on one of that installation; an id of another one is an unknown one. `at` is the store's time. */
export function decideOn(
  documents: ApprovalDocuments,
  { installation, approval }: { readonly installation: string; readonly approval: string },
  command: (at: number) => ApprovalCommand,
): Promise<KnownApproval | Rejected> {
  return documents.change(approval, (current, { now }): Change<ApprovalState, KnownApproval | Rejected> => {
    const isOurs = current !== undefined && current.state !== 'absent' && current.ask.installation === installation;
    const outcome = run(approvalDecider, isOurs ? current : approvalDecider.initial, command(now));
    if (isRejected(outcome)) return { keep: outcome };
    const { state } = outcome;
    if (state.state === 'absent') return { keep: reject('not-found', 'NOT_FOUND', 'there is none') };
    return outcome.events.length === 0 ? { keep: state } : { write: state, result: state };
  });
}

export async function waitingIn(
  documents: ApprovalDocuments,
  installation: string,
  now: number,
): Promise<readonly { readonly id: string; readonly ask: Ask }[]> {
  const found: { readonly id: string; readonly ask: Ask }[] = [];
  const range = { field: 'asked_at', from: now - MAX_VALID_MS };
  const query = { index: BY_INSTALLATION, where: { installation }, range, limit: 200 };
  for await (const page of pagesOf(documents, query)) {
    for (const { id, data } of page) {
      if (data.state === 'waiting' && !isExpired(data.ask, now)) found.push({ id, ask: data.ask });
    }
  }
  return found;
}

const STATES: Readonly<Record<KnownApproval['state'], approvalV1.ApprovalState>> = {
  waiting: approvalV1.ApprovalState.WAITING,
  granted: approvalV1.ApprovalState.GRANTED,
  'carried-out': approvalV1.ApprovalState.CARRIED_OUT,
  failed: approvalV1.ApprovalState.FAILED,
  refused: approvalV1.ApprovalState.REFUSED,
};

/** `now` tells what is over from what waits. */
export function approvalToWire(approval: string, known: ApprovalState, now: number): approvalV1.Approval | undefined {
  if (known.state === 'absent') return undefined;
  const { ask } = known;
  const isOver = known.state === 'waiting' && isExpired(ask, now);
  return approvalV1.Approval.fromPartial({
    name: formatName('approval', { installation: ask.installation, approval }),
    ...{ action: ask.action, method: ask.method, request: ask.shown, reason: ask.reason, requestedBy: ask.requestedBy },
    createTime: atToDate(ask.askedAt),
    expireTime: atToDate(ask.expiresAt),
    state: isOver ? approvalV1.ApprovalState.EXPIRED : STATES[known.state],
    ...(known.state !== 'waiting' && { decidedBy: known.by, decideTime: atToDate(known.at) }),
    outcome: 'why' in known ? known.why : '',
  });
}
