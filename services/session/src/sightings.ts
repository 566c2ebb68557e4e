import type { Bus } from '@lastcall/bus';
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

const QUESTIONS = 'session-sightings-asked';
const REPLIES = 'session-sightings';
const PATIENCE_MS = SECOND_MS;
const SETTLE_MS = 10;

export async function createSightings(options: {
  readonly bus: Bus;
  readonly roster: Roster;
  readonly presence: Presence;
  readonly log: Logger;
  /** Whether the document is just being let in here. */
  isUnderway(id: string): boolean;
}): Promise<Sightings> {
  const { bus, roster, presence, log } = options;
  const asked = new Map<string, Asking>();
  const broadcast = (topic: string, what: Question | Reply): void => {
    bus
      .broadcast(topic, Buffer.from(JSON.stringify(what), 'utf8'))
      .catch((err: unknown) => log.warn({ err }, 'sessions of other replicas are shown as they were last known'));
  };

  /** After those that are just being let in are, or are not. */
  async function seenHere(installation: string, ids: readonly string[]): Promise<Reply['seen']> {
    const until = performance.now() + PATIENCE_MS;
    while (ids.some((id) => options.isUnderway(id)) && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    }
    return ids.flatMap((id) => {
      const session = roster.find(installation, id);
      return session ? [[id, session.lastHeardAt, !session.stream && !session.saving] as const] : [];
    });
  }

  async function reply({ question, installation, sought }: Question): Promise<void> {
    const { replica } = presence;
    const ids = sought[replica];
    if (ids) broadcast(REPLIES, { question, replica, seen: await seenHere(installation, ids) });
  }

  const questions = await bus.listen(QUESTIONS, (data) => {
    void reply(JSON.parse(Buffer.from(data).toString('utf8')) as Question);
  });
  const replies = await bus.listen(REPLIES, (data) => {
    const { question, replica, seen } = JSON.parse(Buffer.from(data).toString('utf8')) as Reply;
    const asking = asked.get(question);
    if (!asking) return;
    enter(asking.sightings, seen);
    asking.silent.delete(replica);
    if (asking.silent.size === 0) asking.done();
  });

  return {
    find: async (installation, sought) => {
      const byReplica = Map.groupBy(sought, ({ replica }) => replica);
      const sightings = new Map<string, Sighting>();
      const own = (byReplica.get(presence.replica) ?? []).map(({ id }) => id);
      byReplica.delete(presence.replica);
      const silent = new Set(byReplica.keys());
      const here = seenHere(installation, own).then((seen) => enter(sightings, seen));
      if (silent.size === 0) return here.then(() => ({ sightings, silent }));
      const ids = [...byReplica].map(([replica, there]) => [replica, there.map(({ id }) => id)] as const);
      const question = randomId('q');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE_MS);
        const done = (): void => {
          clearTimeout(timer);
          resolve();
        };
        asked.set(question, { sightings, silent, done });
        broadcast(QUESTIONS, { question, installation, sought: Object.fromEntries(ids) });
      });
      asked.delete(question);
      await here;
      return { sightings, silent };
    },
    stop: async () => {
      await questions.stop();
      await replies.stop();
    },
  };
}

function enter(sightings: Map<string, Sighting>, seen: Reply['seen']): void {
  for (const [id, lastHeardAt, lost] of seen) sightings.set(id, { lastHeardAt, lost });
}
