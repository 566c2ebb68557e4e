import { parseName, type NameKind, type NameParts } from '@lastcall/contracts';
import { checkRange, invalid, LIMITS, reject, type Rejected } from '@lastcall/kernel';

/*
 * What all requests have in common: names, pages, and the answer for what is not there.
 */

export function nameOf<K extends NameKind>(kind: K, name: string, field = 'name'): NameParts<K> | Rejected {
  const parsed = parseName(kind, field, name);
  return parsed.ok ? parsed.parts : invalid([parsed.violation]);
}

export function notFound(what: string, name: string): Rejected {
  return reject('not-found', 'NOT_FOUND', `there is no ${what} ${name}`, { facts: { name } });
}

export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

export function pageOf({ pageSize, pageToken }: PageRequest): { limit: number; pageToken?: string } | Rejected {
  const wrong = checkRange('page_size', pageSize, 0, LIMITS.pageSize, 'entries (0: 100)');
  if (wrong) return invalid([wrong]);
  return { limit: pageSize || LIMITS.defaultPageSize, ...(pageToken === '' ? {} : { pageToken }) };
}
