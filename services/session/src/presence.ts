import { Fault, randomId, type Clock } from '@lastcall/kernel';
import type { Logger } from '@lastcall/runtime';
import { pagesOf, type Document } from '@lastcall/store';
import { newestAttachment } from './counting.js';
import {
  BY_INSTALLATION,
  BY_REPLICA,
  LEASE,
  type Documents,
  type ReplicaDocument,
  type SessionDocument,
} from './documents.js';
import { lookUp } from './lookups.js';
import { StoreClock } from './store-clock.js';

/*
 * This replica's lease. Its sessions live in the store as long as the lease does; one write every few seconds stands for all
 * of them. Local time only shortens trust: a replica that could not renew ends its streams before others may think so.
 *
 * A lease that was lost is never taken up again: the replica goes on under another name, with no sessions.
 */

export interface PresenceOptions {
  readonly documents: Documents;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly log: Logger;
  /** Whether a document of this replica has a stream, a grace, or is just being let in. */
  owns(installation: string, id: string): boolean;
  /** The lease is lost: streams have to end before this returns. */
  lost(): void;
  /** These sessions end with their replica; resolves when what has to be said of them is in the store. */
  buried(sessions: readonly SessionDocument[]): Promise<void>;
}

const PAGE = 1_000;
/** Of the lease, that is kept for clocks that run at different speeds and for the end of the streams. */
const MARGIN = 0.25;

const monotonic = (): number => performance.timeOrigin + performance.now();

export class Presence implements Clock {
  private name = randomId('rep');
  /** By the local clock; 0: no lease was taken under this name. */
  private validUntil = 0;
  private readonly clock = new StoreClock({ now: monotonic });
  private renewing: Promise<void> | undefined;
  private released = false;

  constructor(private readonly options: PresenceOptions) {}

  /** Name of this replica, now. */
  get replica(): string {
    return this.name;
  }

  /** The store's clock, as well as it is known here. */
  now(): number {
    return this.clock.now();
  }

  /** Whether streams may go on. */
  isValid(): boolean {
    return monotonic() < this.validUntil;
  }

  /** Ends the streams when the lease could not be renewed in time; needs no store. */
  check(): void {
    if (this.validUntil > 0 && !this.isValid()) this.giveUp();
  }

  /** Takes the lease if it is not held. */
  async hold(): Promise<void> {
    if (this.released) throw new Fault('this replica is going down');
    if (!this.isValid()) await this.renew();
  }

  async renew(): Promise<void> {
    this.check();
    this.renewing ??= this.write().finally(() => (this.renewing = undefined));
    await this.renewing;
  }

  private async write(): Promise<void> {
    const { leaseMs, log, documents } = this.options;
    const { name } = this;
    const known = this.validUntil > 0;
    const before = monotonic();
    let answeredAt = before;
    const now = await documents.replicas.change(name, (current, { now }) => {
      // The rest of the way is the write's.
      answeredAt = monotonic();
      // Another replica may have buried us since.
      if (known && (!current || current.leaseUntil <= now)) return { keep: undefined };
      return { write: { renewedAt: now, leaseUntil: now + leaseMs }, result: now };
    });
    if (name !== this.name) return;
    if (now === undefined) {
      log.warn({ replica: name }, 'the lease of this replica was lost; its sessions have to come back');
      this.giveUp();
      return this.write();
    }
    this.clock.heard(before, now, answeredAt);
    this.validUntil = before + leaseMs * (1 - MARGIN);
  }

  private giveUp(): void {
    this.validUntil = 0;
    this.name = randomId('rep');
    this.options.lost();
  }

  /** The replicas that there are: when they gave their last sign of life, and how long that is good for. */
  async replicas(): Promise<ReadonlyMap<string, ReplicaDocument>> {
    const { items } = await this.options.documents.replicas.query({ index: LEASE, limit: PAGE });
    return new Map(items.map(({ id, data }) => [id, data]));
  }

  /** Removes what dead replicas left behind: all of it when its grace is over, of one installation at once. */
  async bury(installation?: string): Promise<void> {
    const { documents, graceMs, log } = this.options;
    const { replicas } = documents;
    const now = await replicas.change('clock', (_, context) => ({ keep: context.now }));
    // While a logoff waits for zero nobody may come back, so there is no grace.
    const below = now - (installation === undefined ? graceMs : 0);
    const { items } = await replicas.query({ index: LEASE, range: { field: 'lease_until', below }, limit: PAGE });
    for (const { id } of items) {
      if (id === this.name) continue;
      await this.removeSessions(id, installation);
      if (installation !== undefined) continue;
      await replicas.remove(id);
      log.info({ replica: id }, 'sessions of a replica that is gone were removed');
    }
  }

  private async removeSessions(replica: string, installation?: string): Promise<void> {
    const { sessions } = this.options.documents;
    const where = { replica, ...(installation !== undefined && { installation }) };
    for (;;) {
      const { items } = await sessions.query({ index: BY_REPLICA, where, limit: PAGE });
      if (items.length === 0) return;
      await this.removeBuried(items);
    }
  }

  /** Removes documents of an installation that belong to nobody, after a crash at the wrong moment; reads all of them. */
  async removeOrphans(installation: string): Promise<void> {
    const { sessions } = this.options.documents;
    const alive = new Map<string, boolean>();
    for await (const page of pagesOf(sessions, { index: BY_INSTALLATION, where: { installation }, limit: PAGE })) {
      const orphans: Document<SessionDocument>[] = [];
      for (const item of page) if (await this.isOrphan(alive, item.id, item.data)) orphans.push(item);
      if (orphans.length > 0) await this.removeBuried(orphans);
    }
  }

  /** A session that has come back elsewhere is not over. */
  private async removeBuried(attachments: readonly Document<SessionDocument>[]): Promise<void> {
    const { documents } = this.options;
    const newest = await lookUp(attachments, ({ data }) =>
      newestAttachment(documents, data.installation, data.session),
    );
    await this.options.buried(attachments.filter(({ id }, i) => newest[i]?.id === id).map(({ data }) => data));
    await documents.sessions.removeMany(attachments.map(({ id }) => id));
  }

  /** Of a replica that nobody knows any more, or ours and never let in. */
  private async isOrphan(
    alive: Map<string, boolean>,
    id: string,
    { replica, installation }: { replica: string; installation: string },
  ): Promise<boolean> {
    if (replica === this.name) return !this.options.owns(installation, id);
    const known = alive.get(replica) ?? (await this.options.documents.replicas.get(replica)) !== undefined;
    alive.set(replica, known);
    return !known;
  }

  /** The lease ends now; sessions may come back elsewhere within the grace. */
  async release(): Promise<void> {
    this.released = true;
    if (this.validUntil === 0) return;
    this.validUntil = 0;
    await this.options.documents.replicas.change(this.name, (current, { now }) =>
      current ? { write: { ...current, leaseUntil: now }, result: undefined } : { keep: undefined },
    );
  }
}
