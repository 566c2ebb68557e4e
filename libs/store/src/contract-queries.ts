import { Defect } from '@lastcall/kernel';
import fc from 'fast-check';
import { useFixture } from './contract-fixture.js';
import { allPages, booking, bookings, range, write, type Booking, type CreateDatabase } from './contract-tools.js';
import { openStore } from './open-store.js';
import { InvalidPageToken, type Query } from './port.js';

/** Finding documents: order, ranges, pages. */
export function describeQueries(create: CreateDatabase): void {
  describe('queries', () => {
    const f = useFixture(create);
    const ROOMS = ['hall', 'attic', 'Ä', 'z'];
    const made = range(1, 60).map((n) => ({
      id: `d${n}`,
      data: booking(
        ROOMS[n % 3] ?? '',
        (n * 7) % 11,
        n % 2 === 0 ? { open: n % 4 === 0, seat: `s${n % 13}-${n}` } : {},
      ),
    }));
    const walk = (query: Query) => allPages(f.bookings, query);

    it('answers what the data says, in the order of index and id, page by page', async () => {
      await f.bookings.insertMany(made);
      const queries = fc.constantFrom<Omit<Query, 'limit' | 'order'>>(
        { index: 'all' },
        { index: 'by_at' },
        { index: 'by_room' },
        { index: 'by_seat' },
        { index: 'by_open' },
        { index: 'by_room', where: { room: 'attic' } },
        { index: 'by_room', where: { room: 'attic', at: 3 } },
        { index: 'by_room', where: { room: 'nowhere' } },
        { index: 'by_open', where: { open: true } },
        { index: 'by_open', where: { open: false, room: 'Ä' }, range: { field: 'at', from: 4 } },
        { index: 'by_at', range: { field: 'at', from: 3, below: 7 } },
        { index: 'by_at', range: { field: 'at', below: 7 } },
        { index: 'by_room', where: { room: 'hall' }, range: { field: 'at', from: 2, below: 9 } },
        { index: 'by_seat', range: { field: 'seat', from: 's1', below: 's2' } },
        { index: 'by_room_and_seat', where: { room: 'hall' } },
        { index: 'by_seat', where: { seat: 's2-2' } },
      );
      const order = fc.constantFrom('ascending', 'descending');
      await fc.assert(
        fc.asyncProperty(queries, order, fc.integer({ min: 1, max: 25 }), async (query, order, limit) => {
          const wanted = expected(made, { ...query, order, limit });
          expect(await walk({ ...query, order, limit })).toEqual(wanted);
          expect(await f.bookings.count(query)).toBe(wanted.length);
        }),
        { numRuns: 40 },
      );
    });

    it('counts the values of the field that follows', async () => {
      await f.bookings.insertMany(made);
      const different = (values: readonly unknown[]) => new Set(values).size;
      const inHall = made.filter(({ data }) => data.room === 'hall').map(({ data }) => data.at);
      const count = (query: Omit<Query, 'limit'>) => f.bookings.count({ ...query, distinct: true });
      expect(await count({ index: 'by_room' })).toBe(3);
      expect(await count({ index: 'by_room', where: { room: 'hall' } })).toBe(different(inHall));
      const range = { field: 'at', from: 2, below: 5 };
      const within = inHall.filter((at) => at >= 2 && at < 5);
      expect(within.length).toBeGreaterThan(different(within));
      expect(await count({ index: 'by_room', where: { room: 'hall' }, range })).toBe(different(within));
      expect(await count({ index: 'by_room', where: { room: 'nowhere' } })).toBe(0);
      await expect(count({ index: 'by_room', where: { room: 'hall', at: 3 } })).rejects.toThrow(Defect);
    });

    it.each(['ascending', 'descending'] as const)(
      'keeps pages whole while documents come and go, %s',
      async (order) => {
        await f.bookings.insertMany(
          range(10, 29).map((n) => ({ id: `p${n}`, data: booking('hall', Math.floor(n / 4)) })),
        );
        const seen = await allPages(f.bookings, { index: 'by_at', order, limit: 4 }, async (count) => {
          await f.bookings.insertMany([
            { id: `before${count}`, data: booking('hall', order === 'ascending' ? -1 : 99) },
            { id: `p10-${count}`, data: booking('hall', 4) },
          ]);
          await f.bookings.remove(`before${count - 4}`);
        });
        const originals = seen.filter((id) => /^p\d+$/.test(id));
        expect(new Set(seen).size).toBe(seen.length);
        expect(originals.toSorted()).toEqual(range(10, 29).map((n) => `p${n}`));
      },
    );

    it('orders texts by their characters, as every database of ours does', async () => {
      const texts = ['', '-', 'A', 'Z', '_', 'a', 'a-b', 'a_b', 'aa', 'z', 'ä', 'é', '\ufffd', '😀'];
      const mixed = texts.toSorted((a, b) => a.length - b.length);
      await f.bookings.insertMany(mixed.map((text, i) => ({ id: `t${i}`, data: booking(text, 1) })));
      const page = await f.bookings.query({ index: 'by_room', limit: 100 });
      expect(page.items.map(({ data }) => data.room)).toEqual(texts);
    });

    it('refuses a token that is not of this list', async () => {
      await f.bookings.insertMany(made);
      const query: Query = { index: 'by_room', where: { room: 'hall' }, limit: 5 };
      const { nextPageToken: token = '' } = await f.bookings.query(query);
      await expect(f.bookings.query({ ...query, pageToken: token })).resolves.toBeDefined();
      const forged = Buffer.from(JSON.stringify(['x', [{ $gt: '' }], 'd1'])).toString('base64url');
      for (const pageToken of ['', 'x', 'bnVsbA', forged, token.slice(1), `${token.slice(0, -3)}AAA`]) {
        await expect(f.bookings.query({ ...query, pageToken })).rejects.toThrow(InvalidPageToken);
      }
      const others: Query[] = [
        { ...query, where: { room: 'attic' } },
        { ...query, order: 'descending' },
        { ...query, range: { field: 'at', from: 0 } },
        { index: 'by_at', limit: 5 },
      ];
      for (const other of others) {
        await expect(f.bookings.query({ ...other, pageToken: token })).rejects.toThrow(InvalidPageToken);
      }
    });

    it.each<[string, Query]>([
      ['an index that is not there', { index: 'none', limit: 1 }],
      ['no limit', { index: 'all', limit: 0 }],
      ['a limit above 1,000', { index: 'all', limit: 1_001 }],
      ['a field that does not lead the index', { index: 'by_room', where: { at: 1 }, limit: 1 }],
      ['a range on another field', { index: 'by_room', range: { field: 'at', from: 1 }, limit: 1 }],
    ])('takes %s as our own mistake', async (_, query) => {
      await expect(f.bookings.query(query)).rejects.toThrow(Defect);
    });

    it('finds the documents of before by an index that is new', async () => {
      await f.bookings.insertMany(made);
      await f.counters.change('x', () => ({ write: { count: 1 }, result: undefined }));
      if (!f.database.shared) await f.store.close();
      const store = await openStore(f.database.options);
      const changed = await store.collection<Booking>({
        ...bookings,
        fields: (data) => ({ ...bookings.fields(data), minus: -data.at, odd: data.at % 2 === 1 ? true : undefined }),
        indexes: [
          { name: 'by_at', fields: ['minus'] },
          { name: 'odd', fields: ['odd', 'at'] },
          { name: 'all', fields: [] },
        ],
      });
      const found = await changed.query({ index: 'by_at', limit: 100 });
      expect(found.items.map(({ data }) => -data.at)).toEqual(
        made.map(({ data }) => -data.at).toSorted((a, b) => a - b),
      );
      expect(await changed.count({ index: 'odd' })).toBe(made.filter(({ data }) => data.at % 2 === 1).length);
      expect((await changed.get('d1'))?.version).toBe(1);
      await store.close();
      // And back again: what an older version declares works as before.
      const older = await openStore(f.database.options);
      const restored = await older.collection(bookings);
      if (f.database.shared) await older.close();
      else Object.assign(f, { store: older, stores: [older], bookings: restored });
      expect(await walk({ index: 'by_room', where: { room: 'hall' }, limit: 7 })).toHaveLength(20);
    });

    it('refuses a declaration that differs from the one before', async () => {
      await expect(f.store.collection({ ...bookings, indexes: [] })).rejects.toThrow(Defect);
      await expect(f.store.collection({ ...bookings, name: 'No Name' })).rejects.toThrow(Defect);
      expect(await f.store.collection(bookings)).toBe(f.bookings);
      await f.bookings.change('a', write(booking('hall', 1)));
    });
  });
}

/** The same in plain code. */
function expected(documents: readonly { id: string; data: Booking }[], query: Query): string[] {
  const index = bookings.indexes.find(({ name }) => name === query.index);
  const fields = index?.fields ?? [];
  const { field = '', from, below } = query.range ?? {};
  const rows = documents
    .map(({ id, data }) => ({ id, values: bookings.fields(data) }))
    .filter(({ values }) => fields.every((name) => values[name] !== undefined))
    .filter(({ values }) => Object.entries(query.where ?? {}).every(([name, value]) => values[name] === value))
    .filter(({ values }) => from === undefined || compare(values[field] ?? '', from) >= 0)
    .filter(({ values }) => below === undefined || compare(values[field] ?? '', below) < 0)
    .toSorted((a, b) => {
      const differs = fields.map((name) => compare(a.values[name] ?? '', b.values[name] ?? '')).find((c) => c !== 0);
      return differs ?? compare(a.id, b.id);
    });
  const ids = rows.map(({ id }) => id);
  return query.order === 'descending' ? ids.toReversed() : ids;
}

function compare(a: string | number | boolean, b: string | number | boolean): number {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return Number(a) - Number(b);
}
