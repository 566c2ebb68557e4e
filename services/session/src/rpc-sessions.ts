import type { sessionV1 } from '@lastcall/contracts';
import { checkText, collect, invalid, isRejected, type Rejected } from '@lastcall/kernel';
import { nameOf, pageOf, readPage, type PageRequest, type ReadPage, type RpcHandlers } from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import { countSessions as sessionsIn, newestAttachment } from './counting.js';
import { BY_HOST, BY_INSTALLATION, BY_USER, type Documents, type SessionDocument } from './documents.js';
import { standingNotice } from './domain/gate-state.js';
import type { Gates } from './gates.js';
import { lookUp } from './lookups.js';
import type { Presence } from './presence.js';
import { checkHostIfSaid } from './requests.js';
import { knownGate } from './rpc-gate.js';
import type { Sheets, Taken } from './sheets.js';
import type { Sighting, Sightings } from './sightings.js';
import { sessionToWire } from './wire.js';

/* Sessions for operators. */

export interface SessionParts {
  readonly documents: Documents;
  readonly gates: Gates;
  readonly sheets: Sheets;
  readonly presence: Presence;
  readonly sightings: Sightings;
}

type Methods = 'listSessions' | 'countSessions';
type Handlers = Pick<RpcHandlers<typeof sessionV1.SessionServiceService>, Methods>;

export function sessionHandlers(parts: SessionParts): Handlers {
  return {
    listSessions: (request) => listSessions(parts, request),
    countSessions: (request) => countSessions(parts, request),
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
  const wrong = collect(checkText('user', request.user, { max: 200, lines: false }), checkHostIfSaid(request.host));
  if (wrong.length > 0) return invalid(wrong);
  const record = await knownGate(parts, parsed.installation);
  if (isRejected(record)) return record;
  const { gate } = record.data;
  const standing = standingNotice(gate);
  const [found, replicas, taken] = await Promise.all([
    sessionsOf(parts.documents, record.id, request, page),
    parts.presence.replicas(),
    standing ? parts.sheets.taken(record.id, gate.epoch, standing.id) : NOBODY,
  ]);
  if (isRejected(found)) return found;
  const there = newestOf(found.items);
  const at = parts.presence.now();
  const isAlive = (replica: string): boolean => (replicas.get(replica)?.leaseUntil ?? 0) > at;
  const sought = there.map(({ id, data }) => ({ id, replica: data.replica })).filter(({ replica }) => isAlive(replica));
  const seen = await parts.sightings.find(record.id, sought);
  const items = await notElsewhere(parts.documents, there, seen.sightings);
  const sessions = items.map(({ id, data }) => {
    const sighting = seen.sightings.get(id);
    const renewedAt = replicas.get(data.replica)?.renewedAt ?? 0;
    return sessionToWire(data, {
      lastSeenAt: sighting?.lastHeardAt ?? Math.max(data.createdAt, renewedAt),
      lost: sighting?.lost ?? !seen.silent.has(data.replica),
      ...(taken.get(data.session) ?? NOT_TAKEN),
    });
  });
  return { sessions, nextPageToken: found.nextPageToken };
}

const NOBODY: ReadonlyMap<string, Taken> = new Map();
const NOT_TAKEN: Taken = { received: false, read: false };

type Item = Document<SessionDocument>;

/** A session that has just come back has two documents for a moment. They stand side by side. */
function newestOf(items: readonly Item[]): readonly Item[] {
  const newest = new Map<string, Item>();
  for (const item of items) {
    const { session, attachment } = item.data;
    if ((newest.get(session)?.data.attachment ?? 0) < attachment) newest.set(session, item);
  }
  return [...newest.values()];
}

/** Without those whose session has come back, on another page or from another host; their replica is gone, so nobody has seen them. */
async function notElsewhere(
  documents: Documents,
  items: readonly Item[],
  sightings: ReadonlyMap<string, Sighting>,
): Promise<readonly Item[]> {
  const listed = await lookUp(items, async (item) => {
    const { installation, session } = item.data;
    if (sightings.has(item.id)) return item;
    const newest = await newestAttachment(documents, installation, session);
    return newest === undefined || newest.id === item.id ? item : undefined;
  });
  return listed.filter((item) => item !== undefined);
}

/** With both filters the index has one of them. */
function sessionsOf(
  { sessions }: Documents,
  installation: string,
  { user, host }: { user: string; host: string },
  page: PageRequest,
): Promise<ReadPage<Item> | Rejected> {
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
  return { count: await sessionsIn(parts.documents, record.id) };
}
