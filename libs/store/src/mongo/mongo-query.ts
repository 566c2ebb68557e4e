import type { Filter, Sort } from 'mongodb';
import type { FieldValue } from '../port.js';
import type { QueryPlan } from '../query-plan.js';
import type { StoredDocument } from './stored.js';

/*
 * A plan as filter, sort and hint. The hint makes the server use the index that the query names, always.
 */

const path = (field: string): string => `fields.${field}`;

export interface Find {
  readonly filter: Filter<StoredDocument>;
  readonly sort: Sort;
  readonly hint: string;
}

export function planToFind(plan: QueryPlan): Find {
  const direction = plan.descending ? -1 : 1;
  return {
    filter: {
      $and: [{ data: { $exists: true } }, ...standing(plan), ...equal(plan), ...range(plan), ...after(plan)],
    },
    sort: Object.fromEntries(orderKeys(plan).map((key) => [key, direction])),
    hint: plan.index.fields.length === 0 ? '_id_' : plan.index.name,
  };
}

/** The condition of the partial index, said again so that the server sees that the query is within it. */
function standing({ index }: QueryPlan): object[] {
  return index.fields.map((field) => ({ [path(field)]: { $exists: true } }));
}

function equal(plan: QueryPlan): object[] {
  return plan.equal.map(([field, value]) => ({ [path(field)]: value }));
}

function range({ range: bounds }: QueryPlan): object[] {
  if (!bounds) return [];
  const key = path(bounds.field);
  return [
    ...(bounds.from === undefined ? [] : [{ [key]: { $gte: bounds.from } }]),
    ...(bounds.below === undefined ? [] : [{ [key]: { $lt: bounds.below } }]),
  ];
}

/** Behind the last document of the page before: the first key that differs decides. */
function after(plan: QueryPlan): object[] {
  const keys = orderKeys(plan);
  if (!plan.after || keys.length === 0) return [];
  const values: readonly FieldValue[] = [...plan.after.values, plan.after.id];
  const beyond = plan.descending ? '$lt' : '$gt';
  const alternatives = keys.map((key, i) => ({
    ...Object.fromEntries(keys.slice(0, i).map((earlier, j) => [earlier, values[j]])),
    [key]: { [beyond]: values[i] },
  }));
  // The first key's bound alone lets the index begin at the right place.
  return [{ [keys[0] ?? '_id']: { [`${beyond}e`]: values[0] } }, { $or: alternatives }];
}

function orderKeys({ sort, index }: QueryPlan): string[] {
  return index.unique === true ? sort.map(path) : [...sort.map(path), '_id'];
}
