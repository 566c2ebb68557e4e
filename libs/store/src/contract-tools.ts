import type { EventEnvelope, OutgoingEvent } from '@lastcall/contracts';
import type { StoreOptions } from './store-options.js';
import type { Change, Collection, CollectionSpec, Store } from './port.js';

/*
 * What the suites of the store share. Tests only.
 */

/** A database of its own for one suite. */
export interface TestDatabase {
  /** Opens it; the same database each time. */
  readonly options: StoreOptions;
  /** Whether several stores may be open at once, as replicas of a service are. */
  readonly shared: boolean;
  drop(): Promise<void>;
}

export type CreateDatabase = () => Promise<TestDatabase>;

export interface Booking {
  readonly room: string;
  readonly at: number;
  readonly open?: boolean;
  /** Unique among those that have one. */
  readonly seat?: string;
  readonly note?: unknown;
}

export const bookings: CollectionSpec<Booking> = {
  name: 'bookings',
  fields: ({ room, at, open, seat }) => ({ room, at, open, seat }),
  indexes: [
    { name: 'by_room', fields: ['room', 'at'] },
    { name: 'by_at', fields: ['at'] },
    { name: 'by_open', fields: ['open', 'room', 'at'] },
    { name: 'by_seat', fields: ['seat'], unique: true },
    { name: 'by_room_and_seat', fields: ['room', 'seat'], unique: true },
    { name: 'all', fields: [] },
  ],
};

export interface Counter {
  readonly count: number;
}

export const counters: CollectionSpec<Counter> = { name: 'counters', fields: () => ({}), indexes: [] };

export const booking = (room: string, at: number, more: Partial<Booking> = {}): Booking => ({ room, at, ...more });

export const write = <T>(data: T): (() => Change<T, undefined>) => {
  return () => ({ write: data, result: undefined });
};

/** One more, said in an event whose only byte is the count. */
export function increment(events = 1): (current: Counter | undefined) => Change<Counter, number> {
  return (current) => {
    const count = (current?.count ?? 0) + 1;
    return { write: { count }, events: range(1, events).map(() => outgoingEvent(count)), result: count };
  };
}

export const outgoingEvent = (count = 0): OutgoingEvent => ({
  type: 'RunStarted',
  installation: 'encore-berlin',
  data: new Uint8Array([count % 256]),
});

/** An event of another service, as a bus hands it over. */
export function incoming(sequence: number, source = 'scheduler/runs/run-1'): EventEnvelope {
  const attributes = { type: 'RunStarted', installation: 'encore-berlin', time: Date.UTC(2026, 0, 1) };
  return { id: `${source}@${sequence}`, source, sequence, ...attributes, data: new Uint8Array() };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** What the runtime's relay does, in its order; `step` is called between any two steps. */
export async function relay(
  store: Store,
  publish: (event: EventEnvelope) => void,
  step: (name: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (;;) {
    const events = await store.pendingEvents(5);
    await step('read');
    if (events.length === 0) return;
    for (const event of events) {
      await store.archive(event);
      await step('archived');
      publish(event);
      await step('published');
      await store.clearEvent(event);
      await step('cleared');
    }
  }
}

/** Everything in the archive, by pages of three. */
export async function wholeArchive(store: Store, fromAt = 0): Promise<readonly EventEnvelope[]> {
  const events: EventEnvelope[] = [];
  for (let pageToken: string | undefined, first = true; first || pageToken !== undefined; first = false) {
    const page = await store.archivedEvents({ fromAt, limit: 3, ...(pageToken === undefined ? {} : { pageToken }) });
    events.push(...page.items);
    pageToken = page.nextPageToken;
  }
  return events;
}

/** All documents of a query, page by page. */
export async function allPages<T extends object>(
  collection: Collection<T>,
  query: Parameters<Collection<T>['query']>[0],
  between: (seen: number) => Promise<unknown> = () => Promise.resolve(),
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let pageToken: string | undefined, first = true; first || pageToken !== undefined; first = false) {
    const page = await collection.query({ ...query, ...(pageToken === undefined ? {} : { pageToken }) });
    ids.push(...page.items.map(({ id }) => id));
    pageToken = page.nextPageToken;
    await between(ids.length);
  }
  return ids;
}
