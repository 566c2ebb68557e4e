import type { Collection, Document, Query } from './port.js';

/** All that a query finds, page by page of its limit. What is written meanwhile may or may not be there; nothing else is left out. */
export async function* pagesOf<T extends object>(
  collection: Pick<Collection<T>, 'query'>,
  query: Omit<Query, 'pageToken'>,
): AsyncGenerator<readonly Document<T>[]> {
  let next: { pageToken?: string } = {};
  do {
    const { items, nextPageToken: pageToken } = await collection.query({ ...query, ...next });
    yield items;
    next = pageToken === undefined ? {} : { pageToken };
  } while (next.pageToken !== undefined);
}
