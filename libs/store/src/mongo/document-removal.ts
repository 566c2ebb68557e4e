import { Defect } from '@lastcall/kernel';
import { randomUUID } from 'node:crypto';
import type { WriteParts } from './document-write.js';
import { Conflict, isUnsure } from './mongo-faults.js';
import type { StoredDocument } from './stored.js';

/*
 * Removes documents. The next document of an id must not say its events under numbers that were said already, so the
 * version of one that has said any stays behind, and with it the marks of what it took in. Of several who remove the same
 * document one hears that it was there.
 */

type Found = Pick<StoredDocument, '_id' | 'version' | 'saidAt' | 'writeId' | 'inbox' | 'outbox'>;

const CHUNK = 1_000;

export class DocumentRemoval<T extends object> {
  private remaining: readonly string[];
  private removed = 0;
  /** Removals that were sent and not answered. */
  private readonly unsure = new Set<string>();

  constructor(
    private readonly parts: WriteParts<T>,
    ids: readonly string[],
    private readonly version?: number,
  ) {
    this.remaining = [...new Set(ids)];
  }

  /** Answers how many were there. Repeated, it goes on with those that are not settled. */
  async attempt(): Promise<number> {
    while (this.remaining.length > 0) {
      const chunk = this.remaining.slice(0, CHUNK);
      const found = await this.find(chunk);
      this.countLost(found);
      const mine = found.filter(({ version }) => this.version === undefined || version === this.version);
      const removed = await this.removeFound(mine);
      this.removed += removed;
      if (removed < mine.length) throw new Conflict(this.parts.spec.name);
      this.remaining = this.remaining.slice(CHUNK);
    }
    return this.removed;
  }

  private async find(ids: readonly string[]): Promise<readonly Found[]> {
    const projection = { version: 1, saidAt: 1, writeId: 1, inbox: 1, 'outbox.sequence': 1 };
    const filter = { _id: { $in: [...ids] }, goneAt: { $exists: false } };
    const found = await this.parts.documents.find<Found>(filter, { projection }).toArray();
    const pending = found.find(({ outbox }) => outbox.length > 0);
    if (pending) throw new Defect(`${this.parts.spec.name}/${pending._id} has events that were not published`);
    return found;
  }

  /** What is gone after its removal was sent was removed by that. */
  private countLost(found: readonly Found[]): void {
    const there = new Set(found.map(({ _id }) => _id));
    for (const id of this.unsure) if (!there.has(id)) this.removed += 1;
    this.unsure.clear();
  }

  private async removeFound(found: readonly Found[]): Promise<number> {
    const silent = found.filter(({ saidAt, inbox }) => saidAt === 0 && inbox.length === 0);
    const others = found.filter((document) => !silent.includes(document));
    try {
      // Each part ends before an error of another is thrown: nothing is in flight when the attempt is repeated.
      const parts = await Promise.allSettled([this.deleteSilent(silent), ...others.map((one) => this.bury(one))]);
      const failed = parts.find((part) => part.status === 'rejected');
      if (failed) throw failed.reason;
      return parts.reduce((sum, part) => sum + (part.status === 'fulfilled' ? part.value : 0), 0);
    } catch (error) {
      if (isUnsure(error)) found.forEach(({ _id }) => this.unsure.add(_id));
      throw error;
    }
  }

  private async deleteSilent(silent: readonly Found[]): Promise<number> {
    if (silent.length === 0) return 0;
    const ids = silent.map(({ _id }) => _id);
    const writeIds = [...new Set(silent.map(({ writeId }) => writeId))];
    const filter = { _id: { $in: ids }, writeId: { $in: writeIds } };
    return (await this.parts.documents.deleteMany(filter)).deletedCount;
  }

  private async bury({ _id, writeId }: Found): Promise<number> {
    const goneAt = await this.parts.now();
    const { matchedCount } = await this.parts.documents.updateOne(
      { _id, writeId },
      { $set: { goneAt, writeId: randomUUID() }, $unset: { data: '', fields: '' } },
    );
    return matchedCount;
  }
}
