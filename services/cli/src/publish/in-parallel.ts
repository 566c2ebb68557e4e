/** Does the work for all items, `limit` at once, in order of the items. The first failure ends it after what is running. */
export async function inParallel<T, R>(
  limit: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  const rest = items.entries();
  const lane = async (): Promise<void> => {
    for (const [i, item] of rest) results[i] = await work(item);
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, lane));
  for (const done of lanes) if (done.status === 'rejected') throw done.reason;
  return results;
}
