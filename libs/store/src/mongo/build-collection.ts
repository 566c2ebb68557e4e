import { randomUUID } from 'node:crypto';
import { MongoServerError, type Collection as MongoCollection, type Db } from 'mongodb';
import { DuplicateKey, type CollectionSpec, type IndexSpec } from '../port.js';
import { REMEMBER_REMOVED_MS } from '../say.js';
import { fieldValues, indexSignature } from '../spec.js';
import { duplicateIndex } from './mongo-faults.js';
import type { StoredDocument, StoredSpec } from './stored.js';

/*
 * Makes a collection's indexes what the spec says. Several replicas may do it at once, an older one may run beside it:
 * an index that is no longer declared stays, because that one still uses it.
 */

const INDEX_DIFFERS = [85, 86];

export async function buildCollection<T extends object>(db: Db, spec: CollectionSpec<T>, now: number): Promise<void> {
  const specs = db.collection<StoredSpec>('_collections');
  const documents = db.collection<StoredDocument>(spec.name);
  const wanted = indexSignature(spec.indexes);
  await documents.deleteMany({ goneAt: { $lt: now - REMEMBER_REMOVED_MS } });
  const known = await specs.findOne({ _id: spec.name });
  if (known?.indexes === wanted) return;
  await createOwnIndexes(documents);
  if (known) await computeFields(documents, spec);
  for (const index of spec.indexes) await createIndex(documents, spec.name, index);
  await specs.updateOne({ _id: spec.name }, { $set: { indexes: wanted } }, { upsert: true });
}

async function createOwnIndexes(documents: MongoCollection<StoredDocument>): Promise<void> {
  const there = (field: string) => ({ partialFilterExpression: { [field]: { $exists: true } } });
  await documents.createIndex({ pendingSince: 1 }, { name: 'pending', ...there('pendingSince') });
  await documents.createIndex({ goneAt: 1 }, { name: 'gone', ...there('goneAt') });
}

async function createIndex(documents: MongoCollection<StoredDocument>, name: string, index: IndexSpec): Promise<void> {
  if (index.fields.length === 0) return;
  const unique = index.unique === true;
  const paths = index.fields.map((field) => `fields.${field}`);
  const keys = Object.fromEntries([...paths, ...(unique ? [] : ['_id'])].map((path) => [path, 1 as const]));
  const partialFilterExpression = Object.fromEntries(paths.map((path) => [path, { $exists: true }]));
  const create = () => documents.createIndex(keys, { name: index.name, unique, partialFilterExpression });
  try {
    await create();
  } catch (error) {
    if (duplicateIndex(error) !== undefined) throw new DuplicateKey(name, index.name);
    if (!(error instanceof MongoServerError) || !INDEX_DIFFERS.includes(Number(error.code))) throw error;
    await documents.dropIndex(index.name);
    await create();
  }
}

/** The fields of every document, as the present code computes them. */
async function computeFields<T extends object>(
  documents: MongoCollection<StoredDocument>,
  spec: CollectionSpec<T>,
): Promise<void> {
  for await (const { _id } of documents.find({ data: { $exists: true } }, { projection: { _id: 1 } })) {
    while (!(await computeFieldsOf(documents, spec, _id)));
  }
}

/** False when it was written meanwhile. */
async function computeFieldsOf<T extends object>(
  documents: MongoCollection<StoredDocument>,
  spec: CollectionSpec<T>,
  id: string,
): Promise<boolean> {
  const stored = await documents.findOne({ _id: id }, { projection: { data: 1, writeId: 1 } });
  if (stored?.data === undefined) return true;
  const fields = fieldValues(spec, JSON.parse(stored.data) as T);
  const update = { $set: { fields, writeId: randomUUID() } };
  const { matchedCount } = await documents.updateOne({ _id: id, writeId: stored.writeId }, update);
  return matchedCount > 0;
}
