import type { Bus } from '@lastcall/bus';
import { BROADCASTS } from '@lastcall/contracts';
import { randomId, SECOND_MS } from '@lastcall/kernel';
import type { Logger } from '@lastcall/runtime';
import type { Presence } from './presence.js';
import type { Roster } from './roster.js';

/*
 * When sessions were heard last, and whether their connection is lost: known to the replica that has them and written nowhere, because
 * that would be a write for each sign of life. Who wants to know asks the others by a broadcast. A replica that does not answer in time
 * is not waited for.
 */

export interface Sighting {
  readonly lastHeardAt: number;
  readonly lost: boolean;
}

/** Of a session's document, and the replica that has it. */
export interface Sought {
  readonly id: string;
  readonly replica: string;
}

export interface Found {
  /** By the document's id. */
  readonly sightings: ReadonlyMap<string, Sighting>;
  /** Replicas that did not answer: what they have is not known. The others have no more than what was found. */
  readonly silent: ReadonlySet<string>;
}

export interface Sightings {
  find(installation: string, sought: readonly Sought[]): Promise<Found>;
  stop(): Promise<void>;
}

interface Question {
  readonly question: string;
  readonly installation: string;
  /** Ids by replica. */
  readonly sought: Readonly<Record<string, readonly string[]>>;
}

interface Reply {
  readonly question: string;
  readonly replica: string;
  readonly seen: readonly (readonly [id: string, lastHeardAt: number, lost: boolean])[];
}

interface Asking {
  readonly sightings: Map<string, Sighting>;
  readonly silent: Set<string>;
  done(): void;
}

const { sightingsAsked: QUESTIONS, sightings: REPLIES } = BROADCASTS.session;
const PATIENCE_MS = SECOND_MS;
const SETTLE_MS = 10;

export interface SightingsOptions {
  readonly bus: Bus;
  readonly roster: Roster;
  readonly presence: Presence;
  readonly log: Logger;
  /** Whether the document is just being let in here. */
  isUnderway(id: string): boolean;
}

type Parts = SightingsOptions & { readonly asked: Map<string, Asking> };

export async function createSightings(options: SightingsOptions): Promise<Sightings> {
  const { bus } = options;
  const parts: Parts = { ...options, asked: new Map() };
  const questions = await bus.listen(QUESTIONS, (data) => void answer(parts, read(data) as Question));
  const replies = await bus.listen(REPLIES, (data) => hear(parts, read(data) as Reply));
  return {
    find: (installation, sought) => find(parts, installation, sought),
    stop: async () => {
      await questions.stop();
      await replies.stop();
    },
  };
}

async function find(parts: Parts, installation: string, sought: readonly Sought[]): Promise<Found> {
  const { replica } = parts.presence;
  const byReplica = Map.groupBy(sought, (one) => one.replica);
  const own = (byReplica.get(replica) ?? []).map(({ id }) => id);
  byReplica.delete(replica);
  const found = { sightings: new Map<string, Sighting>(), silent: new Set(byReplica.keys()) };
  const others = Object.fromEntries([...byReplica].map(([name, there]) => [name, there.map(({ id }) => id)]));
  const [seen] = await Promise.all([seenHere(parts, installation, own), askOthers(parts, installation, others, found)]);
  enter(found.sightings, seen);
  return found;
}

/** Resolves when all have answered, or nobody is waited for any more. */
async function askOthers(
  { bus, log, asked }: Parts,
  installation: string,
  sought: Question['sought'],
  found: Pick<Asking, 'sightings' | 'silent'>,
): Promise<void> {
  if (found.silent.size === 0) return;
  const question = randomId('q');
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, PATIENCE_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    asked.set(question, { ...found, done });
    broadcast(bus, log, QUESTIONS, { question, installation, sought });
  });
  asked.delete(question);
}

async function answer(parts: Parts, { question, installation, sought }: Question): Promise<void> {
  const { bus, log, presence } = parts;
  const { replica } = presence;
  const ids = sought[replica];
  if (ids) broadcast(bus, log, REPLIES, { question, replica, seen: await seenHere(parts, installation, ids) });
}

function hear({ asked }: Parts, { question, replica, seen }: Reply): void {
  const asking = asked.get(question);
  if (!asking) return;
  enter(asking.sightings, seen);
  asking.silent.delete(replica);
  if (asking.silent.size === 0) asking.done();
}

/** After those that are just being let in are, or are not. */
async function seenHere(
  { roster, ...parts }: Parts,
  installation: string,
  ids: readonly string[],
): Promise<Reply['seen']> {
  const until = performance.now() + PATIENCE_MS;
  while (ids.some((id) => parts.isUnderway(id)) && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }
  return ids.flatMap((id) => {
    const session = roster.find(installation, id);
    return session ? [[id, session.lastHeardAt, !session.stream && !session.saving] as const] : [];
  });
}

function broadcast(bus: Bus, log: Logger, topic: string, what: Question | Reply): void {
  bus
    .broadcast(topic, Buffer.from(JSON.stringify(what), 'utf8'))
    .catch((err: unknown) => log.warn({ err }, 'sessions of other replicas are shown as they were last known'));
}

function read(data: Uint8Array): unknown {
  return JSON.parse(Buffer.from(data).toString('utf8'));
}

function enter(sightings: Map<string, Sighting>, seen: Reply['seen']): void {
  for (const [id, lastHeardAt, lost] of seen) sightings.set(id, { lastHeardAt, lost });
}
