import { randomUUID } from 'node:crypto';
import { MongoBulkWriteError, type WriteError } from 'mongodb';
import { DuplicateKey, type FieldValue } from '../port.js';
import { checkDocumentId, encodeData, fieldValues } from '../spec.js';
import type { WriteParts } from './document-write.js';
import { Conflict, duplicateIndexIn } from './mongo-faults.js';
import type { StoredDocument } from './stored.js';

/*
 * Inserts many documents. Each stands for itself: what exists is left alone, what another document's key forbids is left
 * out and reported, the others are there. All carry one write id, by which an attempt whose answer was lost is recognised.
 */

interface NewDocument {
  readonly id: string;
  readonly data: string;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

const CHUNK = 1_000;
const DUPLICATE_KEY = 11_000;

export class DocumentInsert<T extends object> {
  private readonly writeId = randomUUID();
  private readonly existing: string[] = [];
  private remaining: readonly NewDocument[];
  private duplicate: DuplicateKey | undefined;

  constructor(
    private readonly parts: WriteParts<T>,
    documents: readonly { id: string; data: T }[],
  ) {
    const { spec } = parts;
    const seen = new Set<string>();
    this.remaining = documents.flatMap(({ id, data }) => {
      checkDocumentId(spec.name, id);
      const encoded = { id, data: encodeData(`${spec.name}/${id}`, data), fields: fieldValues(spec, data) };
      // The second of the same id finds the first, whichever attempt wrote that.
      if (seen.has(id)) this.existing.push(id);
      return seen.size < seen.add(id).size ? [encoded] : [];
    });
  }

  /** Answers the ids that existed. Repeated, it goes on with those that are not settled. */
  async attempt(): Promise<readonly string[]> {
    while (this.remaining.length > 0) {
      const chunk = this.remaining.slice(0, CHUNK);
      const again = await this.insert(chunk);
      this.remaining = [...again, ...this.remaining.slice(CHUNK)];
      if (again.length > 0) throw new Conflict(this.parts.spec.name);
    }
    if (this.duplicate) throw this.duplicate;
    return this.existing;
  }

  /** Answers those that must be tried again. */
  private async insert(chunk: readonly NewDocument[]): Promise<readonly NewDocument[]> {
    const errors = await this.insertUnordered(chunk);
    const again: NewDocument[] = [];
    const taken: NewDocument[] = [];
    for (const { index, code, errmsg } of errors) {
      const document = chunk[index];
      if (!document) continue;
      const key = code === DUPLICATE_KEY ? duplicateIndexIn(errmsg ?? '') : undefined;
      if (key === undefined) again.push(document);
      else if (key === '_id_') taken.push(document);
      else this.duplicate = new DuplicateKey(this.parts.spec.name, key);
    }
    return [...again, ...(await this.settleTaken(taken))];
  }

  private async insertUnordered(chunk: readonly NewDocument[]): Promise<readonly WriteError[]> {
    const stored = chunk.map(({ id, data, fields }) => this.toStored(id, data, fields));
    try {
      await this.parts.documents.insertMany(stored, { ordered: false });
      return [];
    } catch (error) {
      if (!(error instanceof MongoBulkWriteError)) throw error;
      const errors = [error.writeErrors].flat();
      if (errors.length === 0) throw error;
      return errors;
    }
  }

  private toStored(id: string, data: string, fields: NewDocument['fields']): StoredDocument {
    const empty = { outbox: [], inbox: [], saidAt: 0 };
    return { _id: id, version: 1, data, fields, ...empty, writeId: this.writeId };
  }

  /** An id that is taken: by a document, by ourselves in an attempt before, or by what a removed document left behind. */
  private async settleTaken(taken: readonly NewDocument[]): Promise<readonly NewDocument[]> {
    if (taken.length === 0) return [];
    const filter = { _id: { $in: taken.map(({ id }) => id) } };
    const projection = { writeId: 1, goneAt: 1, version: 1 };
    const found = await this.parts.documents.find(filter, { projection }).toArray();
    const holders = new Map(found.map((stored) => [stored._id, stored]));
    const again: NewDocument[] = [];
    for (const document of taken) {
      const holder = holders.get(document.id);
      if (holder?.writeId === this.writeId) continue;
      if (holder && holder.goneAt === undefined) this.existing.push(document.id);
      else if (!holder || !(await this.revive(holder, document))) again.push(document);
    }
    return again;
  }

  private async revive(holder: StoredDocument, { id, data, fields }: NewDocument): Promise<boolean> {
    const { matchedCount } = await this.parts.documents.updateOne(
      { _id: id, writeId: holder.writeId },
      { $set: { version: holder.version + 1, data, fields, writeId: this.writeId }, $unset: { goneAt: '' } },
    );
    return matchedCount > 0;
  }
}
