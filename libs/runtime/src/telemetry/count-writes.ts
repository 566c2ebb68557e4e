import type { Change, Collection, CollectionSpec, Step, Store } from '@lastcall/store';
import { noTelemetry, type Telemetry } from './telemetry.js';

/*
 * A store that counts what is written through it. With telemetry off it is the store itself, so that counting costs nothing there.
 */

type Kind = 'document' | 'archive' | 'outbox';

export function countWrites(store: Store, service: string, telemetry: Telemetry): Store {
  if (telemetry === noTelemetry) return store;
  const count = (kind: Kind): void => telemetry.count('store_writes', { service, kind });
  return {
    collection: async <T extends object>(spec: CollectionSpec<T>) =>
      countingCollection(await store.collection(spec), () => count('document')),
    now: () => store.now(),
    isConnected: () => store.isConnected(),
    onOutbox: (wake) => store.onOutbox(wake),
    pendingEvents: (limit) => store.pendingEvents(limit),
    archive: async (event) => {
      await store.archive(event);
      count('archive');
    },
    clearEvent: async (event) => {
      await store.clearEvent(event);
      count('outbox');
    },
    archivedEvents: (page) => store.archivedEvents(page),
    close: () => store.close(),
  };
}

function countingCollection<T extends object>(collection: Collection<T>, count: () => void): Collection<T> {
  return {
    name: collection.name,
    get: (id) => collection.get(id),
    change: async (id, step) => {
      const watched = watch(step);
      const result = await collection.change(id, watched.step);
      if (watched.writes()) count();
      return result;
    },
    take: async (id, event, step) => {
      const watched = watch(step);
      const outcome = await collection.take(id, event, watched.step);
      if (outcome.taken && watched.writes()) count();
      return outcome;
    },
    insertMany: async (documents) => {
      const existing = await collection.insertMany(documents);
      if (existing.length < documents.length) count();
      return existing;
    },
    remove: async (id, version) => {
      const removed = await collection.remove(id, version);
      if (removed) count();
      return removed;
    },
    removeMany: async (ids) => {
      const removed = await collection.removeMany(ids);
      if (removed > 0) count();
      return removed;
    },
    query: (query) => collection.query(query),
    count: (query) => collection.count(query),
  };
}

/** A step may run several times; what it came to the last time is what was done. */
function watch<T, R>(step: Step<T, R>): { readonly step: Step<T, R>; writes(): boolean } {
  let last: Change<T, R> | undefined;
  return {
    step: (current, context) => (last = step(current, context)),
    writes: () => last !== undefined && 'write' in last,
  };
}
