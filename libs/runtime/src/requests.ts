import { parseName, type NameKind, type NameParts } from '@lastcall/contracts';
import { checkRange, invalid, LIMITS, reject, type Rejected } from '@lastcall/kernel';
import { InvalidPageToken, type Collection, type Document, type Query } from '@lastcall/store';

/*
 * What requests of all services have in common: names, pages, and the answer for what is not there.
 */

/** Parts of a resource name, or what is wrong with it. */
export function nameOf<K extends NameKind>(kind: K, name: string, field = 'name'): NameParts<K> | Rejected {
  const parsed = parseName(kind, field, name);
  return parsed.ok ? parsed.parts : invalid([parsed.violation]);
}

export function notFound(what: string, name: string): Rejected {
  return reject('not-found', 'NOT_FOUND', `there is no ${what} ${name}`, { facts: { name } });
}

export interface PageRequest {
  readonly limit: number;
  readonly pageToken?: string;
}

/** `page_size` 0 is the default. */
export function pageOf({ pageSize, pageToken }: { pageSize: number; pageToken: string }): PageRequest | Rejected {
  const wrong = checkRange('page_size', pageSize, 0, LIMITS.pageSize, `entries, 0 for ${LIMITS.defaultPageSize}`);
  if (wrong) return invalid([wrong]);
  return { limit: pageSize || LIMITS.defaultPageSize, ...(pageToken === '' ? {} : { pageToken }) };
}

export interface ReadPage<R> {
  readonly items: R[];
  /** Empty at the end. */
  readonly nextPageToken: string;
}

/** One page of a list. What `toItem` leaves out shortens the page; a page is never empty while more follows. */
export async function readPage<T extends object, R>(
  collection: Collection<T>,
  query: Omit<Query, 'limit' | 'pageToken'>,
  page: PageRequest,
  toItem: (document: Document<T>) => R | undefined,
): Promise<ReadPage<R> | Rejected> {
  let request = page;
  try {
    for (;;) {
      const found = await collection.query({ ...query, ...request });
      const items = found.items.map(toItem).filter((item) => item !== undefined);
      const { nextPageToken } = found;
      if (nextPageToken === undefined || items.length > 0) return { items, nextPageToken: nextPageToken ?? '' };
      request = { limit: page.limit, pageToken: nextPageToken };
    }
  } catch (error) {
    if (!(error instanceof InvalidPageToken)) throw error;
    return invalid([{ field: 'page_token', description: 'is not one of this list; begin without one' }]);
  }
}
