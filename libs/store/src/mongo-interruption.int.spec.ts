import { Fault } from '@lastcall/kernel';
import { MongoClient } from 'mongodb';
import { randomBytes } from 'node:crypto';
import {
  booking,
  bookings,
  counters,
  incoming,
  increment,
  range,
  relay,
  wholeArchive,
  write,
} from './contract-tools.js';
import type { Booking, Counter } from './contract-tools.js';
import { InterruptingProxy } from './interrupting-proxy.js';
import { openMongoStore } from './mongo/mongo-store.js';
import { DuplicateKey, type Collection, type Store } from './port.js';

const url = process.env['LASTCALL_TEST_MONGODB_URL'] ?? '';

/** The connection to a real server breaks, in the middle of everything. */
(url === '' ? describe.skip : describe)('MongoDB: interrupted connection', () => {
  const database = `lastcall_test_${randomBytes(6).toString('hex')}`;
  let proxy: InterruptingProxy;
  let store: Store;
  let tally: Collection<Counter>;
  let seats: Collection<Booking>;

  beforeAll(async () => {
    proxy = await InterruptingProxy.start(url);
    store = await openMongoStore({ url: proxy.url, database, service: 'session' });
    tally = await store.collection(counters);
    seats = await store.collection(bookings);
  });
  afterAll(async () => {
    await store.close();
    await proxy.stop();
    const client = await MongoClient.connect(url);
    await client.db(database).dropDatabase();
    await client.close();
  });

  const publishAll = (publish: (id: string) => void = () => undefined) => relay(store, ({ id }) => publish(id));
  const seat = (id: string) => ({ id, data: booking('hall', 1, { seat: id }) });
  const three = (id: string) => [`${id}-1`, `${id}-2`, `${id}-3`];
  const nextEvent = async (id: string) => {
    const found = (await store.pendingEvents(100)).find(({ source }) => source.endsWith(`/${id}`));
    if (!found) throw new Error(`an event of ${id} is pending`);
    return found;
  };

  interface Case {
    /** The command of the driver whose request or answer is lost. */
    readonly command: string;
    readonly prepare?: (id: string) => Promise<unknown>;
    readonly run: (id: string) => Promise<unknown>;
    readonly result: (id: string) => unknown;
    /** Number of live documents whose id begins so, and events that they have said. */
    readonly left: { readonly documents: number; readonly events: number };
  }

  const cases: Readonly<Record<string, Case>> = {
    'a new document': {
      command: 'insert',
      run: (id) => tally.change(id, increment()),
      result: () => 1,
      left: { documents: 1, events: 1 },
    },
    'a change': {
      command: 'update',
      prepare: (id) => tally.change(id, increment()),
      run: (id) => tally.change(id, increment()),
      result: () => 2,
      left: { documents: 1, events: 2 },
    },
    'an event taken in': {
      command: 'update',
      prepare: (id) => tally.change(id, increment()),
      run: (id) => tally.take(id, incoming(1), increment()),
      result: () => ({ taken: true, result: 2 }),
      left: { documents: 1, events: 2 },
    },
    'an event taken in by a new document': {
      command: 'insert',
      run: (id) => tally.take(id, incoming(1), increment()),
      result: () => ({ taken: true, result: 1 }),
      left: { documents: 1, events: 1 },
    },
    'a unique key': {
      command: 'insert',
      run: (id) => seats.change(id, write(seat(id).data)),
      result: () => undefined,
      left: { documents: 1, events: 0 },
    },
    'many new documents': {
      command: 'insert',
      prepare: (id) => seats.insertMany([seat(`${id}-2`)]),
      run: (id) => seats.insertMany(three(id).map(seat)),
      result: (id) => [`${id}-2`],
      left: { documents: 3, events: 0 },
    },
    'a removal': {
      command: 'delete',
      prepare: (id) => seats.insertMany([seat(id)]),
      run: (id) => seats.remove(id, 1),
      result: () => true,
      left: { documents: 0, events: 0 },
    },
    'a removal that leaves the version behind': {
      command: 'update',
      prepare: (id) => tally.change(id, increment()).then(() => publishAll()),
      run: (id) => tally.remove(id),
      result: () => true,
      left: { documents: 0, events: 1 },
    },
    'many removals': {
      command: 'delete',
      prepare: (id) => seats.insertMany(three(id).map(seat)),
      run: (id) => seats.removeMany([id, ...three(id)]),
      result: () => 3,
      left: { documents: 0, events: 0 },
    },
    'an event archived': {
      command: 'insert',
      prepare: (id) => tally.change(id, increment()),
      run: async (id) => store.archive(await nextEvent(id)),
      result: () => undefined,
      left: { documents: 1, events: 1 },
    },
    'an event cleared': {
      command: 'update',
      prepare: async (id) => {
        await tally.change(id, increment(2));
        await store.archive(await nextEvent(id));
      },
      run: async (id) => store.clearEvent(await nextEvent(id)),
      result: () => undefined,
      left: { documents: 1, events: 2 },
    },
    'a read': {
      command: 'find',
      prepare: (id) => tally.insertMany([{ id, data: { count: 7 } }]),
      run: (id) => tally.get(id),
      result: (id) => ({ id, version: 1, data: { count: 7 } }),
      left: { documents: 1, events: 0 },
    },
  };

  describe.each(Object.entries(cases))('%s', (name, { command, prepare, run, result, left }) => {
    it.each(['before', 'after'] as const)('has its effect once when the connection breaks %s it', async (moment) => {
      const id = `${name.replaceAll(' ', '-')}-${moment}`;
      await prepare?.(id);
      const cut = proxy.cutNext(command, moment);
      expect(await run(id)).toEqual(result(id));
      await cut;
      const lives = await Promise.all([id, ...three(id)].flatMap((each) => [tally.get(each), seats.get(each)]));
      expect(lives.filter((document) => document !== undefined)).toHaveLength(left.documents);
      await publishAll();
      const said = (await wholeArchive(store)).filter(({ source }) => source.endsWith(`/${id}`));
      expect(said.map(({ sequence }) => sequence)).toEqual(range(1, left.events));
    });
  });

  it('still tells a key that is taken from a connection that broke', async () => {
    await seats.change('holder', write(seat('wanted').data));
    const cut = proxy.cutNext('insert', 'before');
    await expect(seats.change('other', write(seat('wanted').data))).rejects.toThrow(DuplicateKey);
    await cut;
  });

  it('says so when nobody can know whether a write was made', async () => {
    await tally.change('unknown', increment());
    // Its answer is lost, and before it looks again another one has written over it.
    const direct = await openMongoStore({ url, database, service: 'session' });
    const other = await direct.collection(counters);
    let steps = 0;
    const first = tally.change('unknown', (current) => {
      steps += 1;
      return increment()(current);
    });
    const lost = proxy.cutNext('update', 'after').then(() => other.change('unknown', increment()));
    await Promise.allSettled([first, lost]);
    const { data } = (await other.get('unknown')) ?? {};
    // Either it was in time to see its own write, or it admits that it does not know. It never did it twice.
    expect(data?.count).toBe(3);
    expect(steps).toBe(1);
    await first.catch((error: unknown) => expect(String(error)).toMatch(/it is not known whether it was/));
    await direct.close();
    await publishAll();
  });

  it('loses nothing and does nothing twice while the server cannot be reached for a moment', async () => {
    const acknowledged: string[] = [];
    const writer = async (name: string) => {
      for (const n of range(1, 25)) {
        const { taken } = await tally.take('outage', incoming(n, `scheduler/runs/${name}`), increment());
        if (taken) acknowledged.push(`${name} ${n}`);
      }
    };
    const writers = range(1, 8).map((n) => writer(`w${n}`));
    const published: string[] = [];
    for (const refusals of [3, 5]) {
      await proxy.refuse(refusals);
      proxy.admit();
      await publishAll((id) => published.push(id));
    }
    await Promise.all(writers);
    await publishAll((id) => published.push(id));
    const document = await tally.get('outage');
    expect(document).toMatchObject({ version: 200, data: { count: 200 } });
    expect(new Set(published)).toEqual(new Set(range(1, 200).map((n) => `session/counters/outage@${n}`)));
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
  });

  it('becomes a Fault when it lasts, is seen by health, and ends by itself', async () => {
    const impatient = await openMongoStore({ url: proxy.url, database, service: 'session', patienceMs: 200 });
    const collection = await impatient.collection(counters);
    expect(impatient.isConnected()).toBe(true);
    void proxy.refuse(1);
    const failed = collection.change('long', increment());
    await expect(failed).rejects.toThrow(Fault);
    await expect(failed).rejects.toThrow(/write counters\/long: .*see that the server runs and can be reached/);
    expect(impatient.isConnected()).toBe(false);
    proxy.admit();
    // The store that waits longer comes through by itself; it shares the server with the other one.
    await tally.change('long', increment());
    expect(store.isConnected()).toBe(true);
    await impatient.close();
  });

  it('stops waiting at once when the store is closed', async () => {
    const closing = await openMongoStore({ url: proxy.url, database, service: 'session' });
    const collection = await closing.collection(counters);
    const refused = proxy.refuse(1);
    const waiting = collection.change('closed', increment());
    await refused;
    await Promise.all([expect(waiting).rejects.toThrow(Fault), closing.close()]);
    proxy.admit();
  });
});
