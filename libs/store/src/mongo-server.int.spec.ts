import { DAY_MS, Fault } from '@lastcall/kernel';
import { MongoClient } from 'mongodb';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { booking, bookings, counters, incoming, increment, range, relay, wholeArchive } from './contract-tools.js';
import { openMongoStore } from './mongo/mongo-store.js';
import { planToFind } from './mongo/mongo-query.js';
import type { Query, Store } from './port.js';
import { planQuery } from './query-plan.js';

const url = process.env['LASTCALL_TEST_MONGODB_URL'] ?? '';

/** What is MongoDB's own: the server's clock, the plans of its queries, the age of the archive. */
(url === '' ? describe.skip : describe)('MongoDB: server', () => {
  const database = `lastcall_test_${randomBytes(6).toString('hex')}`;
  let client: MongoClient;
  let store: Store;
  beforeAll(async () => {
    client = await MongoClient.connect(url);
    store = await openMongoStore({ url, database, service: 'session' });
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(async () => {
    await store.close();
    await client.db(database).dropDatabase();
    await client.close();
  });

  it('tells the time by the server, whatever the clock here says', async () => {
    const collection = await store.collection(counters);
    const { localTime } = (await client.db(database).command({ hello: 1 })) as { localTime: Date };
    const realNow = Date.now;
    for (const offset of [-DAY_MS, DAY_MS, 0]) {
      jest.spyOn(Date, 'now').mockImplementation(() => realNow() + offset);
      const told = [await store.now(), await collection.change('a', (_, { now }) => ({ keep: now }))];
      for (const now of told) {
        expect(now).toBeGreaterThanOrEqual(localTime.getTime() - 100);
        expect(now).toBeLessThan(localTime.getTime() + 10_000);
      }
    }
  });

  it.each<Omit<Query, 'limit'>>([
    { index: 'by_at' },
    { index: 'by_seat', order: 'descending' },
    { index: 'by_room', where: { room: 'a' } },
    { index: 'by_room', where: { room: 'a' }, range: { field: 'at', from: 1, below: 5 }, order: 'descending' },
    { index: 'by_open', where: { open: true } },
  ])('answers %j from the index', async (query) => {
    const collection = await store.collection(bookings);
    await collection.insertMany(range(1, 50).map((n) => ({ id: `d${n}`, data: booking('a', n % 5, { open: true }) })));
    const { nextPageToken } = await collection.query({ ...query, limit: 2 });
    for (const page of [{}, ...(nextPageToken === undefined ? [] : [{ pageToken: nextPageToken }])]) {
      const { filter, sort, hint } = planToFind(planQuery(bookings, { ...query, ...page }));
      const documents = client.db(database).collection(bookings.name);
      const plan = JSON.stringify(
        await documents
          .find(filter as object, { hint })
          .sort(sort)
          .limit(10)
          .explain(),
      );
      expect(plan).toMatch(new RegExp(`"(indexName|Index Name)":"${query.index}"`));
      expect(plan).not.toMatch(/COLLSCAN|Seq Scan/);
    }
  });

  it('keeps archived events for seven days', async () => {
    const collection = await store.collection(counters);
    await collection.change('old', increment(2));
    await relay(store, () => undefined);
    await client
      .db(database)
      .collection('_archive')
      .updateOne(
        { source: 'session/counters/old', sequence: 1 },
        { $set: { keptSince: Date.now() - 7 * DAY_MS - 1_000 } },
      );
    // A replica that starts looks through the archive with its first event.
    const other = await openMongoStore({ url, database, service: 'session' });
    await (await other.collection(counters)).change('old', increment());
    await relay(other, () => undefined);
    expect((await wholeArchive(other)).map(({ sequence }) => sequence)).toEqual([2, 3]);
    await other.close();
  });

  it('finds events that a killed relay left half cleared', async () => {
    const collection = await store.collection(counters);
    await collection.change('half', increment());
    const documents = client.db(database).collection<{ _id: string }>('counters');
    await documents.updateOne({ _id: 'half' }, { $set: { outbox: [] } });
    expect(await store.pendingEvents(10)).toEqual([]);
    expect(await documents.findOne({ _id: 'half' })).not.toHaveProperty('pendingSince');
  });

  it('sends out the events of collections that are not declared any more', async () => {
    await (await store.collection({ ...counters, name: 'bygone' })).change('a', increment());
    const later = await openMongoStore({ url, database, service: 'session' });
    expect((await later.pendingEvents(10)).map(({ id }) => id)).toEqual(['session/bygone/a@1']);
    await later.close();
  });
});

describe('MongoDB: address', () => {
  const open = (address: string) =>
    openMongoStore({ url: address, database: 'lastcall_session', service: 'session', patienceMs: 100 });

  it('that nobody listens at is refused without showing the password', async () => {
    const refused = open('mongodb://lastcall:s3cret@127.0.0.1:1/');
    await expect(refused).rejects.toThrow(Fault);
    await expect(refused).rejects.toThrow(
      /mongodb:\/\/\*\*\*@127\.0\.0\.1:1\/ cannot be used: .*see that the server runs/,
    );
    await expect(refused).rejects.not.toThrow(/s3cret/);
  });

  it('that is none is refused', async () => {
    await expect(open('mongodb://a:b@')).rejects.toThrow(/no address of a MongoDB: mongodb:\/\/\*\*\*@/);
  });
});

const hasMongod = spawnSync('mongod', ['--version']).status === 0;

/** A server of our own, killed and started again. */
(hasMongod ? describe : describe.skip)('MongoDB: restarted server (mongod on the PATH)', () => {
  let folder: string;
  let port: number;
  let server: ChildProcess;
  const start = () => {
    const args = ['--dbpath', folder, '--port', String(port), '--bind_ip', '127.0.0.1'];
    server = spawn('mongod', args, { stdio: 'ignore' });
  };
  const kill = async (): Promise<void> => {
    const exited = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await exited;
  };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lastcall-mongod-'));
    port = await freePort();
    start();
  });
  afterAll(async () => {
    await kill();
    rmSync(folder, { recursive: true });
  });

  it('loses nothing and does nothing twice', async () => {
    const address = `mongodb://127.0.0.1:${port}/`;
    const database = `lastcall_test_${randomBytes(6).toString('hex')}`;
    const store = await openMongoStore({ url: address, database, service: 'session', patienceMs: 60_000 });
    const collection = await store.collection(counters);
    const halfway = new Promise<void>((resolve) => {
      const unlisten = store.onOutbox(() => {
        unlisten();
        resolve();
      });
    });
    const writers = range(1, 8).map(async (writer) => {
      const source = `scheduler/runs/w${writer}`;
      for (const n of range(1, 25)) await collection.take('restart', incoming(n, source), increment());
    });
    await halfway;
    await kill();
    start();
    await Promise.all(writers);
    const published: number[] = [];
    await relay(store, ({ sequence }) => published.push(sequence));
    expect(await collection.get('restart')).toMatchObject({ version: 200, data: { count: 200 } });
    expect(published).toEqual(range(1, 200));
    await store.close();
  }, 90_000);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
