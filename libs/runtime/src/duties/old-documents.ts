import { pagesOf, type Collection } from '@lastcall/store';

/* Documents that were kept for long enough. */

const PAGE = 500;

export interface OldDocuments<T extends object> {
  readonly collection: Collection<T>;
  /** Orders by `field` alone, a time. */
  readonly index: string;
  readonly field: string;
  /** Older ones may go. */
  readonly before: number;
  /** What is still going on stays, however old it is. */
  mayGo(data: T, id: string): boolean | Promise<boolean>;
}

/** Removes them, page by page until the signal is aborted. Answers how many. */
export async function removeOld<T extends object>(old: OldDocuments<T>, signal: AbortSignal): Promise<number> {
  const { collection, index, field, before } = old;
  let removed = 0;
  for await (const page of pagesOf(collection, { index, range: { field, below: before }, limit: PAGE })) {
    if (signal.aborted) break;
    const ids: string[] = [];
    for (const { id, data } of page) if (await old.mayGo(data, id)) ids.push(id);
    if (ids.length > 0) removed += await collection.removeMany(ids);
  }
  return removed;
}
