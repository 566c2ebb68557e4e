import { randomId, type Clock } from '@lastcall/kernel';
import type { Logger } from '@lastcall/runtime';
import type { Documents } from './documents.js';
import { BY_INSTALLATION, BY_REPLICA, LEASE } from './documents.js';

/*
 * This replica's lease. Its sessions live in the store as long as the lease does; one write every few seconds stands for all
 * of them. Local time only shortens trust: a replica that could not renew ends its streams before others may think so.
 *
 * A lease that was lost is never taken up again: the replica goes on under another name, with no sessions.
 */

export interface Presence extends Clock {
  /** Name of this replica, now. */
  readonly replica: string;
  /** The store's clock, as well as it is known here. */
  now(): number;
  /** Takes the lease if it is not held. */
  hold(): Promise<void>;
  /** Whether streams may go on. */
  isValid(): boolean;
  renew(): Promise<void>;
  /** When other replicas gave their last sign of life. */
  renewals(): Promise<ReadonlyMap<string, number>>;
  /** Removes what dead replicas left behind, of one installation, or of all of them when their grace is over. */
  bury(installation?: string): Promise<void>;
  /** Removes documents of an installation that belong to nobody, after a crash at the wrong moment; reads all of them. */
  removeOrphans(installation: string): Promise<void>;
  /** The lease ends now; sessions may come back elsewhere within the grace. */
  release(): Promise<void>;
}

export interface PresenceOptions {
  readonly documents: Documents;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly log: Logger;
  /** Whether a document of this replica has a stream, a grace, or is just being let in. */
  owns(installation: string, id: string): boolean;
  /** The lease is lost: streams have to end before this returns. */
  lost(): void;
}

const PAGE = 1_000;
/** Of the lease, that is kept for clocks that run at different speeds and for the end of the streams. */
const MARGIN = 0.25;

const monotonic = (): number => performance.timeOrigin + performance.now();

export function createPresence(options: PresenceOptions): Presence {
  const { leaseMs, graceMs, log } = options;
  const { replicas, sessions } = options.documents;
  let replica = randomId('rep');
  let validUntil = 0;
  let offsetMs = 0;
  let holding: Promise<void> | undefined;

  const isValid = (): boolean => monotonic() < validUntil;

  function giveUp(): void {
    validUntil = 0;
    replica = randomId('rep');
    options.lost();
  }

  async function renew(): Promise<void> {
    if (validUntil > 0 && !isValid()) giveUp();
    const before = monotonic();
    const name = replica;
    const now = await replicas.change(name, (current, { now }) => {
      // Another replica may have buried us since.
      if (validUntil > 0 && (!current || current.leaseUntil <= now)) return { keep: undefined };
      return { write: { renewedAt: now, leaseUntil: now + leaseMs }, result: now };
    });
    if (name !== replica) return;
    if (now === undefined) {
      log.warn({ replica }, 'the lease of this replica was lost; its sessions have to come back');
      giveUp();
      return renew();
    }
    offsetMs = now - monotonic();
    validUntil = before + leaseMs * (1 - MARGIN);
  }

  async function removeSessions(name: string, installation?: string): Promise<void> {
    const where = { replica: name, ...(installation !== undefined && { installation }) };
    for (;;) {
      const { items } = await sessions.query({ index: BY_REPLICA, where, limit: PAGE });
      if (items.length === 0) return;
      await sessions.removeMany(items.map(({ id }) => id));
    }
  }

  /** Removes what nobody owns: of replicas that nobody knows any more, and of our own what was never let in. */
  async function removeOrphans(installation: string): Promise<void> {
    const where = { installation };
    let pageToken: string | undefined;
    do {
      const token = pageToken === undefined ? {} : { pageToken };
      const page = await sessions.query({ index: BY_INSTALLATION, where, limit: PAGE, ...token });
      const orphans: string[] = [];
      const alive = new Map<string, boolean>();
      for (const { id, data } of page.items) {
        const owner = data.replica;
        if (!alive.has(owner)) alive.set(owner, owner === replica || (await replicas.get(owner)) !== undefined);
        if (!alive.get(owner) || (owner === replica && !options.owns(installation, id))) orphans.push(id);
      }
      if (orphans.length > 0) await sessions.removeMany(orphans);
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
  }

  async function nowInStore(): Promise<number> {
    return replicas.change('clock', (_, { now }) => ({ keep: now }));
  }

  return {
    get replica() {
      return replica;
    },
    now: () => Math.round(monotonic() + offsetMs),
    hold: async () => {
      if (isValid()) return;
      await (holding ??= renew().finally(() => (holding = undefined)));
    },
    isValid,
    renew,
    renewals: async () => {
      const { items } = await replicas.query({ index: LEASE, limit: PAGE });
      return new Map(items.map(({ id, data }) => [id, data.renewedAt]));
    },
    bury: async (installation) => {
      // While a logoff waits for zero nobody may come back, so there is no grace.
      const below = (await nowInStore()) - (installation === undefined ? graceMs : 0);
      const { items } = await replicas.query({ index: LEASE, range: { field: 'lease_until', below }, limit: PAGE });
      for (const { id } of items) {
        if (id === replica) continue;
        await removeSessions(id, installation);
        if (installation !== undefined) continue;
        await replicas.remove(id);
        log.info({ replica: id }, 'sessions of a replica that is gone were removed');
      }
    },
    removeOrphans,
    release: async () => {
      if (validUntil === 0) return;
      validUntil = 0;
      await replicas.change(replica, (current, { now }) =>
        current ? { write: { ...current, leaseUntil: now }, result: undefined } : { keep: undefined },
      );
    },
  };
}
