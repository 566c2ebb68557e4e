import type { EventEnvelope } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS } from '@lastcall/kernel';
import type { Collection as MongoCollection, Db } from 'mongodb';
import { ARCHIVE_DAYS, type Page } from '../port.js';
import { readToken, writeToken } from '../query-plan.js';
import { formatSource, parseSource } from '../say.js';
import { duplicateIndex } from './mongo-faults.js';
import { eventToStored, storedToEvent, type ArchivedEvent, type StoredDocument } from './stored.js';

/*
 * Outboxes lie in the documents; the archive is a collection of its own. An event leaves its outbox only after it lies
 * in the archive, which is the relay's order.
 */

const PRUNE_EVERY_MS = HOUR_MS;

export class MongoEvents {
  private readonly archived: MongoCollection<ArchivedEvent>;
  private pruneAt = 0;

  constructor(
    private readonly db: Db,
    private readonly service: string,
  ) {
    this.archived = db.collection<ArchivedEvent>('_archive');
  }

  async prepare(): Promise<void> {
    await this.archived.createIndex({ time: 1, source: 1, sequence: 1 }, { name: 'by_time' });
    await this.archived.createIndex({ keptSince: 1 }, { name: 'by_age' });
  }

  /** Of all collections, the documents that wait longest first. */
  async pending(collections: readonly string[], limit: number): Promise<readonly EventEnvelope[]> {
    const found = await Promise.all(collections.map((name) => this.pendingIn(name, limit)));
    const documents = found.flat().toSorted((a, b) => a.since - b.since);
    return documents.flatMap(({ events }) => events).slice(0, limit);
  }

  private async pendingIn(name: string, limit: number): Promise<{ since: number; events: EventEnvelope[] }[]> {
    const collection = this.db.collection<StoredDocument>(name);
    const found = await collection
      .find({ pendingSince: { $gte: 0 } }, { projection: { outbox: 1, pendingSince: 1 }, hint: 'pending' })
      .sort({ pendingSince: 1 })
      .limit(limit)
      .toArray();
    const empty = found.filter(({ outbox }) => outbox.length === 0).map(({ _id }) => _id);
    // Cleared by two relays at once, or by one that was killed in between: nothing waits here any more.
    if (empty.length > 0) {
      await collection.updateMany({ _id: { $in: empty }, outbox: { $size: 0 } }, { $unset: { pendingSince: '' } });
    }
    return found.map(({ _id, outbox, pendingSince }) => ({
      since: pendingSince ?? 0,
      events: outbox.map((stored) => storedToEvent(formatSource(this.service, name, _id), stored)),
    }));
  }

  async clear(event: EventEnvelope): Promise<void> {
    const { collection: name, id } = parseSource(this.service, event.source);
    const collection = this.db.collection<StoredDocument>(name);
    const { sequence, time } = event;
    const { matchedCount } = await collection.updateOne(
      { _id: id, outbox: { $size: 1 }, 'outbox.sequence': sequence },
      { $set: { outbox: [] }, $unset: { pendingSince: '' } },
    );
    if (matchedCount > 0) return;
    // Others wait behind it, and none of them was said earlier.
    await collection.updateOne(
      { _id: id, 'outbox.sequence': sequence },
      { $pull: { outbox: { sequence } }, $set: { pendingSince: time } },
    );
  }

  async archive(event: EventEnvelope, now: number): Promise<void> {
    const stored = { _id: event.id, source: event.source, ...eventToStored(event), keptSince: now };
    try {
      await this.archived.insertOne(stored);
    } catch (error) {
      // It lies there already: the relay repeats after a crash.
      if (duplicateIndex(error) !== '_id_') throw error;
    }
    if (now < this.pruneAt) return;
    await this.archived.deleteMany({ keptSince: { $lt: now - ARCHIVE_DAYS * DAY_MS } });
    this.pruneAt = now + PRUNE_EVERY_MS;
  }

  async page({ fromAt, limit, pageToken }: { fromAt: number; limit: number; pageToken?: string }) {
    const scope = `archive from ${fromAt}`;
    const filter = pageToken === undefined ? { time: { $gte: fromAt } } : behind(readToken(scope, 2, pageToken));
    const found = await this.archived
      .find(filter, { hint: 'by_time' })
      .sort({ time: 1, source: 1, sequence: 1 })
      .limit(limit + 1)
      .toArray();
    const items = found.slice(0, limit).map((stored) => storedToEvent(stored.source, stored));
    const last = items.at(-1);
    if (found.length <= limit || last === undefined) return { items } satisfies Page<EventEnvelope>;
    return { items, nextPageToken: writeToken(scope, { values: [last.time, last.sequence], id: last.source }) };
  }
}

function behind({ values, id: source }: ReturnType<typeof readToken>) {
  const [time, sequence] = values as [number, number];
  return {
    time: { $gte: time },
    $or: [{ time: { $gt: time } }, { source: { $gt: source } }, { source, sequence: { $gt: sequence } }],
  };
}
