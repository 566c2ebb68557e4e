import type { EventEnvelope } from '@lastcall/contracts';
import type { Collection as MongoCollection } from 'mongodb';
import type { Collection, CollectionSpec, CountQuery, Document, Page, Query, Step } from '../port.js';
import { checkLimit, nextField, planQuery } from '../query-plan.js';
import { checkDocumentId, isId } from '../spec.js';
import { DocumentInsert } from './document-insert.js';
import { DocumentRemoval } from './document-removal.js';
import { DocumentWrite, type WriteParts } from './document-write.js';
import { planToFind } from './mongo-query.js';
import type { Patience } from './patience.js';
import type { StoredDocument } from './stored.js';

export interface CollectionParts extends Omit<WriteParts<never>, 'spec'> {
  readonly patience: Patience;
  /** Reads one document as of this moment, on a server that knows that it is still the primary. */
  readonly readCurrent: 'linearizable' | 'majority';
}

const READ_CURRENT_MS = 5_000;

export class MongoCollectionPort<T extends object> implements Collection<T> {
  readonly name: string;
  private readonly documents: MongoCollection<StoredDocument>;
  private readonly parts: WriteParts<T>;
  private readonly patience: Patience;

  constructor(
    private readonly spec: CollectionSpec<T>,
    private readonly shared: CollectionParts,
  ) {
    this.name = spec.name;
    this.documents = shared.documents;
    this.patience = shared.patience;
    this.parts = { ...shared, spec };
  }

  async get(id: string): Promise<Document<T> | undefined> {
    if (!isId(id)) return undefined;
    const stored = await this.patience.repeat(`read ${this.name}/${id}`, () =>
      this.documents.findOne(
        { _id: id, data: { $exists: true } },
        {
          projection: { version: 1, data: 1 },
          readConcern: { level: this.shared.readCurrent },
          maxTimeMS: READ_CURRENT_MS,
        },
      ),
    );
    return stored ? storedToDocument<T>(stored) : undefined;
  }

  async change<R>(id: string, step: Step<T, R>): Promise<R> {
    const outcome = await this.write(id, step, undefined);
    return outcome.result as R;
  }

  async take<R>(
    id: string,
    event: EventEnvelope,
    step: Step<T, R>,
  ): Promise<{ taken: true; result: R } | { taken: false }> {
    const outcome = await this.write(id, step, event);
    return outcome.taken ? { taken: true, result: outcome.result } : { taken: false };
  }

  async insertMany(documents: readonly { id: string; data: T }[]): Promise<readonly string[]> {
    const insert = new DocumentInsert(this.parts, documents);
    return this.patience.repeat(`insert into ${this.name}`, () => insert.attempt());
  }

  async remove(id: string, version?: number): Promise<boolean> {
    const removal = new DocumentRemoval(this.parts, [id], version);
    return (await this.patience.repeat(`remove ${this.name}/${id}`, () => removal.attempt())) > 0;
  }

  async removeMany(ids: readonly string[]): Promise<number> {
    const removal = new DocumentRemoval(this.parts, ids);
    return this.patience.repeat(`remove from ${this.name}`, () => removal.attempt());
  }

  async query(query: Query): Promise<Page<Document<T>>> {
    checkLimit(query.limit);
    const plan = planQuery(this.spec, query);
    const { filter, sort, hint } = planToFind(plan);
    const projection = { version: 1, data: 1, fields: 1 };
    const found = await this.patience.repeat(`query ${this.name}.${query.index}`, () =>
      this.documents
        .find(filter, { projection, hint })
        .sort(sort)
        .limit(query.limit + 1)
        .toArray(),
    );
    const items = found.slice(0, query.limit).map((stored) => storedToDocument<T>(stored));
    const last = found[query.limit - 1];
    if (found.length <= query.limit || last === undefined) return { items };
    const values = plan.sort.map((field) => last.fields?.[field] ?? '');
    return { items, nextPageToken: plan.token({ values, id: last._id }) };
  }

  async count(query: CountQuery): Promise<number> {
    const plan = planQuery(this.spec, query);
    const { filter, hint } = planToFind(plan);
    const what = `count ${this.name}.${query.index}`;
    if (query.distinct !== true)
      return this.patience.repeat(what, () => this.documents.countDocuments(filter, { hint }));
    const stages = [{ $match: filter }, { $group: { _id: `$fields.${nextField(plan)}` } }, { $count: 'count' }];
    return this.patience.repeat(what, async () => {
      const [found] = await this.documents.aggregate<{ count: number }>(stages, { hint }).toArray();
      return found?.count ?? 0;
    });
  }

  private async write<R>(id: string, step: Step<T, R>, event: EventEnvelope | undefined) {
    checkDocumentId(this.name, id);
    const write = new DocumentWrite<T, R>(this.parts, id, step, event);
    return this.patience.repeat(`write ${this.name}/${id}`, () => write.attempt());
  }
}

function storedToDocument<T>({ _id, version, data }: StoredDocument): Document<T> {
  return { id: _id, version, data: JSON.parse(data ?? 'null') as T };
}
