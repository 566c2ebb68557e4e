import type { Collection, Document, Query } from '@lastcall/store';

const PAGE = 1_000;

/** All documents of a query. They come page by page: a product may have ten thousand releases, and few of their fields are wanted. */
export async function* readAll<T extends object>(
  collection: Collection<T>,
  query: Omit<Query, 'limit' | 'pageToken'>,
): AsyncGenerator<Document<T>> {
  let pageToken: string | undefined;
  do {
    const page = await collection.query({ ...query, limit: PAGE, ...(pageToken !== undefined && { pageToken }) });
    yield* page.items;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}
