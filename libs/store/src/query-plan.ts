import { Defect, sha256Hex } from '@lastcall/kernel';
import { InvalidPageToken, type CollectionSpec, type FieldValue, type IndexSpec, type Query } from './port.js';
import { checkFieldValue } from './spec.js';

/*
 * A query, checked against the index that it names and cut into the parts that both databases need: equal leading
 * fields, one range, an order, and the place where the page before ended.
 *
 * A page begins behind a key, never at an offset, so documents that come and go do not shift it.
 */

export const MAX_PAGE = 1_000;

export interface QueryPlan {
  readonly index: IndexSpec;
  readonly equal: readonly (readonly [field: string, value: FieldValue])[];
  readonly range: { readonly field: string; readonly from?: FieldValue; readonly below?: FieldValue } | undefined;
  /** Fields of the index that are not held equal: what the answer is sorted by, then by id. */
  readonly sort: readonly string[];
  readonly descending: boolean;
  readonly after: Cursor | undefined;
  token(last: Cursor): string;
}

/** Where a page ended: the values of the sort fields of its last document, and its id. */
export interface Cursor {
  readonly values: readonly FieldValue[];
  readonly id: string;
}

export function planQuery<T extends object>(spec: CollectionSpec<T>, query: Omit<Query, 'limit'>): QueryPlan {
  const index = spec.indexes.find(({ name }) => name === query.index);
  if (!index) throw new Defect(`${spec.name} has no index ${query.index}`);
  const where = query.where ?? {};
  const equalCount = Object.keys(where).length;
  const equal = index.fields.slice(0, equalCount).map((field) => {
    checkFieldValue(`${spec.name}.${field}`, where[field]);
    return [field, where[field]] as const;
  });
  if (equal.length < equalCount) throw new Defect(`${spec.name}.${index.name} has fewer fields than the query`);
  const sort = index.fields.slice(equalCount);
  const range = checkedRange(spec.name, sort[0], query.range);
  const scope = JSON.stringify([spec.name, index.name, equal, range, query.order ?? 'ascending']);
  const after = query.pageToken === undefined ? undefined : readToken(scope, sort.length, query.pageToken);
  return {
    index,
    equal,
    // The place to go on from is the narrower of two bounds on the same side; one bound each serves the index best.
    range: after === undefined ? range : narrowed(range, query.order === 'descending'),
    sort,
    descending: query.order === 'descending',
    after,
    token: (last) => writeToken(scope, last),
  };
}

/** What a count of different values counts. */
export function nextField({ sort: [field], index }: QueryPlan): string {
  if (field === undefined) throw new Defect(`no field of ${index.name} follows those of the query`);
  return field;
}

export function checkLimit(limit: number, max = MAX_PAGE): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > max)
    throw new Defect(`limit ${limit} is not within 1 to ${max}`);
}

function checkedRange(collection: string, next: string | undefined, range: Query['range']): QueryPlan['range'] {
  if (range === undefined) return undefined;
  if (range.field !== next) throw new Defect(`${collection}: a range on ${range.field}, but the next field is ${next}`);
  if (range.from !== undefined) checkFieldValue(`${collection}.${range.field}`, range.from);
  if (range.below !== undefined) checkFieldValue(`${collection}.${range.field}`, range.below);
  return range;
}

function narrowed(range: QueryPlan['range'], descending: boolean): QueryPlan['range'] {
  if (range === undefined) return undefined;
  const { field, from, below } = range;
  if (descending) return from === undefined ? undefined : { field, from };
  return below === undefined ? undefined : { field, below };
}

/** The digest ties a token to its list, so that one of another list, or one made up, is told from a good one. */
function digest(scope: string, cursor: Cursor): string {
  return sha256Hex(JSON.stringify([scope, cursor.values, cursor.id])).slice(0, 24);
}

export function writeToken(scope: string, { values, id }: Cursor): string {
  return Buffer.from(JSON.stringify([digest(scope, { values, id }), values, id])).toString('base64url');
}

export function readToken(scope: string, length: number, token: string): Cursor {
  const [given, values, id] = parseToken(token);
  if (!Array.isArray(values) || values.length !== length || typeof id !== 'string') throw new InvalidPageToken();
  const cursor = { values: values as FieldValue[], id };
  if (given !== digest(scope, cursor)) throw new InvalidPageToken();
  return cursor;
}

function parseToken(token: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (Array.isArray(parsed)) return parsed;
  } catch {
    // No JSON: refused below like any other token that was not made here.
  }
  throw new InvalidPageToken();
}
