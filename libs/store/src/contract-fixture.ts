import { openStore } from './open-store.js';
import type { Collection, Store } from './port.js';
import {
  bookings,
  counters,
  type Booking,
  type Counter,
  type CreateDatabase,
  type TestDatabase,
} from './contract-tools.js';

/** A store with its two collections; each test of a suite has collections that are empty. */
export interface Fixture {
  database: TestDatabase;
  store: Store;
  /** The same store several times, or replicas where the database may be shared. */
  stores: readonly Store[];
  bookings: Collection<Booking>;
  counters: Collection<Counter>;
  /** The collection of counters as each of `stores` has it. */
  countersOfAll(): Promise<readonly Collection<Counter>[]>;
}

const REPLICAS = 5;

/** Opens before the suite and drops after it. Documents are removed before each test, with their events. */
export function useFixture(create: CreateDatabase): Fixture {
  const fixture = {} as Fixture;
  beforeAll(async () => {
    fixture.database = await create();
    const count = fixture.database.shared ? REPLICAS : 1;
    const opened = await Promise.all(Array.from({ length: count }, () => openStore(fixture.database.options)));
    fixture.stores = Array.from({ length: REPLICAS }, (_, i) => opened[i % count] as Store);
    fixture.store = opened[0] as Store;
    fixture.bookings = await fixture.store.collection(bookings);
    fixture.counters = await fixture.store.collection(counters);
    fixture.countersOfAll = () => Promise.all(fixture.stores.map((store) => store.collection(counters)));
  });
  afterEach(async () => {
    for (const event of await fixture.store.pendingEvents(1_000)) await fixture.store.clearEvent(event);
    const page = await fixture.bookings.query({ index: 'all', limit: 1_000 });
    await fixture.bookings.removeMany(page.items.map(({ id }) => id));
  });
  afterAll(async () => {
    await Promise.all(fixture.stores.map((store) => store.close()));
    await fixture.database.drop();
  });
  return fixture;
}
