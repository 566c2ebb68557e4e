import type { FieldValue } from '../port.js';
import type { QueryPlan } from '../query-plan.js';
import { columnName, indexName, tableName, toSql } from './schema.js';

/*
 * A plan as SQL. INDEXED BY makes SQLite refuse the statement when the index cannot serve it, so no query can become a
 * scan of the table without a test noticing.
 */

export interface Statement {
  readonly sql: string;
  readonly values: readonly (string | number | null)[];
}

interface Condition {
  readonly sql: string;
  readonly values: readonly FieldValue[];
}

/** `rows`: at most so many documents. 'count': their number alone. `distinct`: how many values of that field they have. */
export function planToSql(
  collection: string,
  plan: QueryPlan,
  rows: number | 'count' | { readonly distinct: string },
): Statement {
  const from = `${tableName(collection)} INDEXED BY ${indexName(collection, plan.index.name)}`;
  const conditions = [...standing(plan), ...equal(plan), ...range(plan), ...after(plan)];
  const where = conditions.map(({ sql }) => sql).join(' AND ');
  const values = conditions.flatMap((condition) => condition.values.map(toSql));
  if (rows === 'count') return { sql: `SELECT count(*) AS count FROM ${from} WHERE ${where}`, values };
  if (typeof rows === 'object') {
    return { sql: `SELECT count(DISTINCT ${columnName(rows.distinct)}) AS count FROM ${from} WHERE ${where}`, values };
  }
  const columns = ['id', 'version', 'data', ...plan.sort.map(columnName)];
  const order = orderKeys(plan).map((column) => `${column} ${plan.descending ? 'DESC' : 'ASC'}`);
  const by = order.length > 0 ? ` ORDER BY ${order.join(', ')}` : '';
  return { sql: `SELECT ${columns.join(', ')} FROM ${from} WHERE ${where}${by} LIMIT ?`, values: [...values, rows] };
}

/** The condition of the partial index, said again so that SQLite sees that the query is within it. */
function standing({ index }: QueryPlan): Condition[] {
  return ['data', ...index.fields.map(columnName)].map((column) => ({ sql: `${column} IS NOT NULL`, values: [] }));
}

function equal(plan: QueryPlan): Condition[] {
  return plan.equal.map(([field, value]) => ({ sql: `${columnName(field)} = ?`, values: [value] }));
}

function range({ range: bounds }: QueryPlan): Condition[] {
  if (!bounds) return [];
  const column = columnName(bounds.field);
  return [
    ...(bounds.from === undefined ? [] : [{ sql: `${column} >= ?`, values: [bounds.from] }]),
    ...(bounds.below === undefined ? [] : [{ sql: `${column} < ?`, values: [bounds.below] }]),
  ];
}

/** Behind the last document of the page before, as one comparison of the whole key. */
function after(plan: QueryPlan): Condition[] {
  const keys = orderKeys(plan);
  if (!plan.after || keys.length === 0) return [];
  const values = [...plan.after.values, plan.after.id].slice(0, keys.length);
  const marks = keys.map(() => '?').join(', ');
  return [{ sql: `(${keys.join(', ')}) ${plan.descending ? '<' : '>'} (${marks})`, values }];
}

function orderKeys({ sort, index }: QueryPlan): string[] {
  return index.unique === true ? sort.map(columnName) : [...sort.map(columnName), 'id'];
}
