import { pagesOf, type Document } from '@lastcall/store';
import { countSessionsOfUsers } from './counting.js';
import { BY_INSTALLATION, type Documents, type SessionDocument } from './documents.js';
import type { Presence } from './presence.js';
import type { Sightings } from './sightings.js';

/*
 * How many users were inside when the gate was shut. A login that raced with it has a document in the store until it is refused, and only
 * the replica that has it knows; so the newest sessions are asked for there.
 */

const PAGE = 1_000;

export interface InsideParts {
  readonly documents: Documents;
  readonly presence: Presence;
  readonly sightings: Sightings;
}

/** Racers are the newest: as many as are being let in at the same time. */
const RACERS = 2_000;
const RACE_MS = 10_000;
/** Those who race are gone in a moment; people who leave in a stream may not hold up the notice. */
const LOOKS = 5;

/** Users who are inside when the gate has been shut at this time, without those who raced with it and are just being refused. */
export async function countInside(parts: InsideParts, installation: string, shutAt: number): Promise<number> {
  let all = await countSessionsOfUsers(parts.documents, installation);
  for (let look = 1; all > 0; look++) {
    const racers = await countRacers(parts, installation, shutAt);
    const after = await countSessionsOfUsers(parts.documents, installation);
    // Otherwise some of them went meanwhile, and are in one number only.
    if (after === all || look === LOOKS) return Math.max(0, after - racers);
    all = after;
  }
  return 0;
}

/** A session of which a replica that answers has nothing. Where none answers nobody knows: it may be inside. */
async function countRacers({ documents, presence, sightings }: InsideParts, installation: string, shutAt: number) {
  const newest = await newestDocuments(documents, installation, shutAt - RACE_MS);
  if (newest.length === 0) return 0;
  const replicas = await presence.replicas();
  const now = presence.now();
  const isAlive = (replica: string): boolean => (replicas.get(replica)?.leaseUntil ?? 0) > now;
  const sought = newest
    .map(({ id, data }) => ({ id, replica: data.replica }))
    .filter(({ replica }) => isAlive(replica));
  const seen = await sightings.find(installation, sought);
  const mayBeInside = ({ id, data: { replica } }: Document<SessionDocument>): boolean =>
    seen.sightings.has(id) || seen.silent.has(replica) || !isAlive(replica);
  const sessions = Map.groupBy(newest, ({ data }) => data.session);
  return [...sessions.values()].filter((attachments) => !attachments.some(mayBeInside)).length;
}

async function newestDocuments({ sessions }: Documents, installation: string, from: number) {
  const range = { field: 'created_at', from };
  const query = { index: BY_INSTALLATION, where: { installation }, range, order: 'descending', limit: PAGE } as const;
  const newest: Document<SessionDocument>[] = [];
  for await (const page of pagesOf(sessions, query)) {
    newest.push(...page.filter(({ data }) => data.exempt !== true));
    if (newest.length >= RACERS) break;
  }
  return newest;
}
