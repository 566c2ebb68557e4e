import type { sessionV1 } from '@lastcall/contracts';
import { invalid, isRejected, randomId, type Rejected } from '@lastcall/kernel';
import {
  nameOf,
  notFound,
  pageOf,
  readPage,
  type PageRequest,
  type ReadPage,
  type RpcHandlers,
} from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import { BY_HOST, BY_INSTALLATION, BY_USER, type Documents, type SessionDocument } from './documents.js';
import { standingNotice, type Hold } from './domain/gate-state.js';
import type { Gates } from './gates.js';
import type { Keeper } from './keeper.js';
import type { Ledger } from './ledger.js';
import type { Presence } from './presence.js';
import { wrongText } from './requests.js';
import type { Roster } from './roster.js';
import { knownGate } from './rpc-gate.js';
import { holdToWire, sessionToWire } from './wire.js';

/* Sessions and holds for operators. */

export interface SessionParts {
  readonly documents: Documents;
  readonly gates: Gates;
  readonly keeper: Keeper;
  readonly ledger: Ledger;
  readonly presence: Presence;
  readonly roster: Roster;
}

type Methods = 'listSessions' | 'countSessions' | 'listHolds' | 'releaseHold';
type Handlers = Pick<RpcHandlers<typeof sessionV1.SessionServiceService>, Methods>;

export function sessionHandlers(parts: SessionParts): Handlers {
  return {
    listSessions: (request) => listSessions(parts, request),
    countSessions: (request) => countSessions(parts, request),
    listHolds: (request) => listHolds(parts, request),
    releaseHold: (request) => releaseHold(parts, request),
  };
}

async function listSessions(
  parts: SessionParts,
  request: sessionV1.ListSessionsRequest,
): Promise<sessionV1.ListSessionsResponse | Rejected> {
  const parsed = nameOf('installation', request.parent, 'parent');
  if (isRejected(parsed)) return parsed;
  const page = pageOf(request);
  if (isRejected(page)) return page;
  const record = await knownGate(parts, parsed.installation);
  if (isRejected(record)) return record;
  const { gate } = record.data;
  const standing = standingNotice(gate);
  const [found, renewals, acknowledged] = await Promise.all([
    sessionsOf(parts.documents, parsed.installation, request, page),
    parts.presence.renewals(),
    standing ? parts.ledger.acknowledged(parsed.installation, gate.epoch, standing.id) : new Set<string>(),
  ]);
  if (isRejected(found)) return found;
  const sessions = found.items.map(({ id, data }) => {
    const here = parts.roster.find(data.installation, id)?.lastHeardAt;
    const lastSeenAt = here ?? Math.max(data.createdAt, renewals.get(data.replica) ?? 0);
    return sessionToWire(data, lastSeenAt, acknowledged.has(data.session));
  });
  return { sessions, nextPageToken: found.nextPageToken };
}

/** With both filters the index has one of them. */
function sessionsOf(
  { sessions }: Documents,
  installation: string,
  { user, host }: { user: string; host: string },
  page: PageRequest,
): Promise<ReadPage<Document<SessionDocument>> | Rejected> {
  const index = user !== '' ? BY_USER : host !== '' ? BY_HOST : BY_INSTALLATION;
  const where = { installation, ...(user !== '' ? { user } : host !== '' && { host }) };
  return readPage(sessions, { index, where }, page, (document) =>
    host === '' || document.data.host === host ? document : undefined,
  );
}

async function countSessions(
  parts: SessionParts,
  { parent }: sessionV1.CountSessionsRequest,
): Promise<sessionV1.CountSessionsResponse | Rejected> {
  const parsed = nameOf('installation', parent, 'parent');
  if (isRejected(parsed)) return parsed;
  const record = await knownGate(parts, parsed.installation);
  if (isRejected(record)) return record;
  const where = { installation: parsed.installation };
  return { count: await parts.documents.sessions.count({ index: BY_INSTALLATION, where }) };
}

async function listHolds(
  parts: SessionParts,
  request: sessionV1.ListHoldsRequest,
): Promise<sessionV1.ListHoldsResponse | Rejected> {
  const parsed = nameOf('installation', request.parent, 'parent');
  if (isRejected(parsed)) return parsed;
  const page = pageOf(request);
  if (isRejected(page)) return page;
  const record = await knownGate(parts, parsed.installation);
  if (isRejected(record)) return record;
  const { gate } = record.data;
  const holds = gate.phase === 'closing' ? gate.holds : [];
  const from = firstOf(holds, page.pageToken);
  if (isRejected(from)) return from;
  const items = holds.slice(from, from + page.limit);
  const next = holds[from + page.limit];
  return { holds: items.map((hold) => holdToWire(parsed.installation, hold)), nextPageToken: next?.id ?? '' };
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

async function releaseHold(
  { gates, keeper }: SessionParts,
  { name, reason }: sessionV1.ReleaseHoldRequest,
): Promise<sessionV1.ReleaseHoldResponse | Rejected> {
  const parsed = nameOf('hold', name);
  if (isRejected(parsed)) return parsed;
  const wrong = wrongText('reason', reason);
  if (wrong) return invalid([wrong]);
  const { installation, hold } = parsed;
  const notice = randomId('n');
  const result = await gates.apply(installation, ({ now: at }) => ({ type: 'release-hold', hold, notice, at }));
  if (isRejected(result)) return result.code === 'not-found' ? notFound('hold', name) : result;
  keeper.duty.wake?.();
  return {};
}
