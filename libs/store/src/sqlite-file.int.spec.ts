import { createManualClock, DAY_MS, Defect, Fault, HOUR_MS } from '@lastcall/kernel';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { startProcess } from './contract-process-control.js';
import { booking, bookings, counters, increment, range, wholeArchive, write } from './contract-tools.js';
import { openStore } from './open-store.js';
import type { Query } from './port.js';
import { planQuery } from './query-plan.js';
import { planToSql } from './sqlite/sql-query.js';
import type { StoreOptions } from './store-options.js';

/** What is SQLite's own: the file, its owner and its disk. */
describe('SQLite: the file', () => {
  let folder: string;
  let options: StoreOptions;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lastcall-file-'));
    options = { url: '', file: join(folder, 'data', 'session.db'), service: 'session', database: '' };
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const hold = { do: 'hold', id: '', published: '' } as const;

  it('belongs to one process, until that ends, however it ends', async () => {
    const owner = startProcess(options, hold);
    expect(await owner.nextLine()).toBe('opened');
    const refused = openStore(options);
    await expect(refused).rejects.toThrow(Fault);
    await expect(refused).rejects.toThrow(/session\.db is in use by another Lastcall process.*stop that process/);
    await owner.kill();
    const store = await openStore(options);
    await expect(openStore(options)).rejects.toThrow(/in use by another Lastcall process/);
    await store.close();
    await (await openStore(options)).close();
  });

  it('can be read by others while it is in use', async () => {
    const store = await openStore(options);
    await (await store.collection(counters)).change('seen', increment());
    const reader = new DatabaseSync(options.file, { readOnly: true });
    expect({ ...reader.prepare('SELECT id, version, data FROM c_counters').get() }).toEqual({
      id: 'seen',
      version: 1,
      data: '{"count":1}',
    });
    reader.close();
    await store.close();
  });

  it('is for its owner alone', async () => {
    const store = await openStore(options);
    await (await store.collection(counters)).change('a', increment());
    for (const name of ['', '-wal', '-shm']) expect(statSync(options.file + name).mode & 0o777).toBe(0o600);
    await store.close();
  });

  it('takes the writes of one turn with one wait for the disk', async () => {
    const store = await openStore(options);
    const collection = await store.collection(counters);
    const before = commitsIn(`${options.file}-wal`);
    await Promise.all(range(1, 100).map((n) => collection.change(`d${n % 10}`, increment())));
    expect(commitsIn(`${options.file}-wal`) - before).toBe(1);
    await store.close();
  });

  it.each<[string, (file: string) => void, RegExp]>([
    [
      'is no database',
      (file) => writeFileSync(file, 'Dear diary, '.repeat(500)),
      /is no SQLite database; move .* backup/,
    ],
    ['is damaged', damage, /is damaged; stop Lastcall, move the file away and put its last backup/],
    ['is a folder', (file) => (rmSync(file), mkdirSync(file)), /cannot be opened; see that its folder exists/],
  ])('that %s is refused with what to do', async (_, spoil, message) => {
    const store = await openStore(options);
    const collection = await store.collection(bookings);
    await collection.insertMany(range(1, 500).map((n) => ({ id: `d${n}`, data: booking('hall', n) })));
    await store.close();
    spoil(options.file);
    const readAll = async () => {
      const opened = await openStore(options);
      const read = async () => (await opened.collection(bookings)).query({ index: 'all', limit: 1_000 });
      await read().finally(() => opened.close());
    };
    const refused = readAll();
    await expect(refused).rejects.toThrow(Fault);
    await expect(refused).rejects.toThrow(message);
  });

  it('in a folder that cannot be made is refused', async () => {
    writeFileSync(join(folder, 'data'), '');
    await expect(openStore(options)).rejects.toThrow(/cannot be opened; see that its folder exists/);
  });

  it('of a newer Lastcall is left alone', async () => {
    await (await openStore(options)).close();
    const newer = new DatabaseSync(options.file);
    newer.exec('PRAGMA user_version = 2');
    newer.close();
    await expect(openStore(options)).rejects.toThrow(Defect);
  });

  it('that may not grow makes a Fault, and what was acknowledged is there', async () => {
    const orders = { do: 'fill', id: 'full', published: '' } as const;
    const child = startProcess(options, orders, 'ulimit -f 512');
    const written = Number(await child.nextLine());
    expect(await child.nextLine()).toMatch(
      /^Fault: .*could not be read or written; look at the disk and at its free space/,
    );
    await child.kill();
    const store = await openStore(options);
    expect(written).toBeGreaterThan(1);
    expect(await (await store.collection(counters)).get('full')).toMatchObject({ version: written });
    expect(await store.pendingEvents(1_000)).toHaveLength(written);
    await store.close();
  });

  const namespace = ['unshare', '--map-root-user', '--mount', 'sh'];
  const mount = (size: string, at: string) => `mount -t tmpfs -o size=${size} none ${at}`;
  const [unshare = '', ...unshareArgs] = [...namespace, '-c', mount('64k', tmpdir())];
  const canMount = spawnSync(unshare, unshareArgs).status === 0;
  (canMount ? it : it.skip)('on a full disk makes a Fault, and goes on when there is room', async () => {
    const small = join(folder, 'small');
    mkdirSync(small);
    const ballast = join(small, 'ballast');
    const before = `${mount('3m', small)} && head -c 1000000 /dev/zero > ${ballast}`;
    const onSmall = { ...options, file: join(small, 'session.db') };
    const child = startProcess(onSmall, { do: 'fill', id: 'full', published: ballast }, before, namespace);
    const written = Number(await child.nextLine());
    expect(written).toBeGreaterThan(1);
    expect(await child.nextLine()).toMatch(/^Fault: .*the disk is full; free some space, Lastcall goes on by itself/);
    expect(await child.nextLine()).toBe(String(written + 1));
    await child.kill();
  });
});

describe('SQLite: time and indexes', () => {
  const clock = createManualClock();
  const open = () => openStore({ url: '', file: ':memory:', service: 'session', database: '', clock });

  it('tells the time of its clock, also to steps', async () => {
    const store = await open();
    clock.advance(5);
    expect(await store.now()).toBe(clock.now());
    const seen = await (await store.collection(counters)).change('a', (_, { now }) => ({ keep: now }));
    expect(seen).toBe(clock.now());
    await store.close();
  });

  it('lets no event be earlier than the one before it, though the clock was set back', async () => {
    const store = await open();
    const collection = await store.collection(counters);
    await collection.change('a', increment());
    const time = clock.now();
    clock.advance(-HOUR_MS);
    await collection.change('a', increment());
    expect((await store.pendingEvents(5)).map((event) => event.time)).toEqual([time, time]);
    await store.close();
  });

  it('keeps archived events for seven days', async () => {
    const store = await open();
    const collection = await store.collection(counters);
    const archiveNext = async () => {
      await collection.change('a', increment());
      const [event] = await store.pendingEvents(1);
      if (!event) throw new Error('an event is pending');
      await store.archive(event);
      await store.clearEvent(event);
      return (await wholeArchive(store)).map(({ sequence }) => sequence);
    };
    expect(await archiveNext()).toEqual([1]);
    clock.advance(7 * DAY_MS);
    expect(await archiveNext()).toEqual([1, 2]);
    clock.advance(2 * HOUR_MS);
    expect(await archiveNext()).toEqual([2, 3]);
    await store.close();
  });

  it.each<Omit<Query, 'limit'>>([
    { index: 'all' },
    { index: 'by_at' },
    { index: 'by_seat' },
    { index: 'by_room', where: { room: 'a' } },
    { index: 'by_room', where: { room: 'a', at: 1 } },
    { index: 'by_room', where: { room: 'a' }, range: { field: 'at', from: 1, below: 5 } },
    { index: 'by_open', where: { open: true } },
  ])('answers %j from the index, without a scan and without sorting', async (query) => {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-plan-'));
    const options = { url: '', file: join(folder, 's.db'), service: 'session', database: '' };
    const store = await openStore(options);
    const collection = await store.collection(bookings);
    await collection.insertMany(range(1, 50).map((n) => ({ id: `d${n}`, data: booking('a', n % 5, { open: true }) })));
    const reader = new DatabaseSync(options.file, { readOnly: true });
    for (const order of ['ascending', 'descending'] as const) {
      const { nextPageToken } = await collection.query({ ...query, order, limit: 2 });
      for (const page of [{}, ...(nextPageToken === undefined ? [] : [{ pageToken: nextPageToken }])]) {
        const { sql, values } = planToSql('bookings', planQuery(bookings, { ...query, order, ...page }), 10);
        const steps = reader.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values) as { detail: string }[];
        expect(steps).toHaveLength(1);
        expect(steps[0]?.detail).toContain(`USING INDEX i_bookings__${query.index}`);
      }
    }
    reader.close();
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('keeps nothing of a step whose data cannot be stored, and goes on', async () => {
    const store = await open();
    const collection = await store.collection(bookings);
    await expect(collection.change('a', write(booking('hall', Number.NaN)))).rejects.toThrow(Defect);
    await collection.change('a', write(booking('hall', 1)));
    expect(await collection.get('a')).toMatchObject({ version: 1 });
    await store.close();
  });
});

/** Frames that end a transaction: those that name the size of the database. https://sqlite.org/fileformat2.html#walformat */
function commitsIn(file: string): number {
  const log = readFileSync(file);
  const frameBytes = 24 + log.readUInt32BE(8);
  const frames = range(0, Math.floor((log.length - 32) / frameBytes) - 1).map((n) => 32 + n * frameBytes);
  return frames.filter((at) => log.readUInt32BE(at + 4) > 0).length;
}

/** Overwrites everything behind the schema. */
function damage(file: string): void {
  const { size } = statSync(file);
  const descriptor = openSync(file, 'r+');
  for (let at = 16 * 4_096; at < size; at += 4_096) writeSync(descriptor, Buffer.alloc(4_096, 0x5a), 0, 4_096, at);
}
