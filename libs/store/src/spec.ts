import { Defect } from '@lastcall/kernel';
import type { CollectionSpec, FieldValue, IndexSpec } from './port.js';

/*
 * What a document may be: names, ids and data are checked here once, for every implementation. A value that would come
 * back as another one (a Date as text, NaN as null) is refused when it is written, not found out after a restart.
 */

const NAME = /^[a-z_]{1,40}$/;
const FIELD = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;
/** Half of a pair cannot be written as UTF-8 and would come back as another text. */
const LONE_SURROGATE = /\p{Surrogate}/u;
export const MAX_ID_CHARS = 256;

export function checkSpec<T extends object>({ name, indexes }: CollectionSpec<T>): void {
  if (!NAME.test(name)) throw new Defect(`no name of a collection: ${name}; allowed is ${NAME.source}`);
  const seen = new Set<string>();
  for (const index of indexes) {
    if (!NAME.test(index.name))
      throw new Defect(`no name of an index: ${name}.${index.name}; allowed is ${NAME.source}`);
    if (seen.has(index.name)) throw new Defect(`two indexes ${name}.${index.name}`);
    seen.add(index.name);
    if (new Set(index.fields).size !== index.fields.length) throw new Defect(`${name}.${index.name} has a field twice`);
    if (index.unique === true && index.fields.length === 0) throw new Defect(`${name}.${index.name} has no fields`);
  }
  const fields = indexedFields(indexes);
  const wrong = fields.find((field) => !FIELD.test(field));
  if (wrong !== undefined) throw new Defect(`no name of a field: ${name}.${wrong}; allowed is ${FIELD.source}`);
  // Columns of SQLite know no case.
  if (new Set(fields.map((field) => field.toLowerCase())).size !== fields.length) {
    throw new Defect(`fields of ${name} differ in case only: ${fields.join(', ')}`);
  }
}

/** Asked for at each write. */
const indexed = new WeakMap<readonly IndexSpec[], readonly string[]>();

/** Fields that stand in an index, each once, in a stable order. */
export function indexedFields(indexes: readonly IndexSpec[]): readonly string[] {
  const known = indexed.get(indexes);
  if (known) return known;
  const fields = [...new Set(indexes.flatMap((index) => index.fields))].toSorted();
  indexed.set(indexes, fields);
  return fields;
}

/** What the indexes were when they were built; another text means that they have to be built again. */
export function indexSignature(indexes: readonly IndexSpec[]): string {
  const plain = indexes.map(({ name, fields, unique }) => ({ name, fields, unique: unique === true }));
  return JSON.stringify(plain.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
}

export function isId(id: string): boolean {
  return id !== '' && !LONE_SURROGATE.test(id) && (id.length <= MAX_ID_CHARS || [...id].length <= MAX_ID_CHARS);
}

export function checkDocumentId(collection: string, id: string): void {
  if (!isId(id)) throw new Defect(`no id of a document of ${collection}: ${JSON.stringify(id.slice(0, 80))}`);
}

/** The values of the indexed fields; those that are not there are left away. */
export function fieldValues<T extends object>(spec: CollectionSpec<T>, data: T): Readonly<Record<string, FieldValue>> {
  const all = spec.fields(data);
  const values: Record<string, FieldValue> = {};
  for (const field of indexedFields(spec.indexes)) {
    const value = all[field];
    if (value === undefined) continue;
    checkFieldValue(`${spec.name}.${field}`, value);
    values[field] = value;
  }
  return values;
}

export function checkFieldValue(field: string, value: unknown): asserts value is FieldValue {
  const good =
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value)) ||
    (typeof value === 'string' && !LONE_SURROGATE.test(value));
  if (!good) throw new Defect(`${field} is ${String(value)}; an index holds texts, finite numbers and booleans`);
}

/** The data as it is stored. */
export function encodeData(where: string, data: object): string {
  const found = findBad(data);
  if (found) throw new Defect(`${where}${found.path} is ${describe(found.value)}, which does not survive JSON`);
  return JSON.stringify(data);
}

interface Bad {
  readonly path: string;
  readonly value: unknown;
}

/** What JSON would change or drop. Undefined properties are dropped by intent: an absent field. */
function findBad(value: unknown): Bad | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : { path: '', value };
    case 'object':
      if (value === null) return undefined;
      if (Array.isArray(value)) return findBadItem(value);
      if (isPlain(value)) return findBadProperty(value as Readonly<Record<string, unknown>>);
      return { path: '', value };
    default:
      return { path: '', value };
  }
}

function findBadItem(items: readonly unknown[]): Bad | undefined {
  // By position, because iteration methods skip holes, which JSON turns into null.
  for (let i = 0; i < items.length; i += 1) {
    const bad = findBad(items[i]);
    if (bad) return { ...bad, path: `[${i}]${bad.path}` };
  }
  return undefined;
}

function findBadProperty(object: Readonly<Record<string, unknown>>): Bad | undefined {
  for (const key of Object.keys(object)) {
    const value = object[key];
    const bad = value === undefined ? undefined : findBad(value);
    if (bad) return { ...bad, path: `.${key}${bad.path}` };
  }
  return undefined;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm (a test runner's) are plain too: their prototype has no prototype.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? `a ${value.constructor.name}` : String(value);
}
