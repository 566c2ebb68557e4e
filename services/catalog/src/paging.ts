import { invalid, type Rejected } from '@lastcall/kernel';
import { InvalidPageToken, type Collection, type Document, type Query } from '@lastcall/store';
import type { PageRequest } from './requests.js';

/*
 * One page of a list. What the list leaves out shortens the page; a page is never empty while more follows.
 */

export interface ReadPage<R> {
  readonly items: R[];
  /** Empty at the end. */
  readonly nextPageToken: string;
}

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
