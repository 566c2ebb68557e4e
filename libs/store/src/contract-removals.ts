import { Defect } from '@lastcall/kernel';
import { useFixture } from './contract-fixture.js';
import { booking, incoming, increment, range, relay, write, type CreateDatabase } from './contract-tools.js';
import { DuplicateKey } from './port.js';

/** Inserting and removing several documents. */
export function describeRemovals(create: CreateDatabase): void {
  describe('inserting and removing', () => {
    const f = useFixture(create);
    const documents = (from: number, to: number) =>
      range(from, to).map((n) => ({ id: `d${n}`, data: booking('hall', n) }));
    const publishAll = () => relay(f.store, () => undefined);

    it('inserts what is not there and answers what is', async () => {
      expect(await f.bookings.insertMany(documents(1, 3))).toEqual([]);
      const existing = await f.bookings.insertMany([...documents(2, 4), { id: 'd4', data: booking('other', 9) }]);
      expect(existing.toSorted()).toEqual(['d2', 'd3', 'd4']);
      expect(await f.bookings.get('d4')).toEqual({ id: 'd4', version: 1, data: booking('hall', 4) });
      expect(await f.bookings.insertMany([])).toEqual([]);
    });

    it('inserts more than one request holds, and removes them', async () => {
      await f.bookings.insertMany(documents(1, 2_500));
      expect(await f.bookings.count({ index: 'by_at' })).toBe(2_500);
      expect(await f.bookings.removeMany(['none', ...range(1, 2_500).map((n) => `d${n}`)])).toBe(2_500);
      expect(await f.bookings.count({ index: 'by_at' })).toBe(0);
    });

    it('inserts the others when one has a key that is taken', async () => {
      await f.bookings.change('a', write(booking('hall', 1, { seat: '12' })));
      const some = [...documents(1, 2), { id: 'x', data: booking('hall', 3, { seat: '12' }) }, ...documents(3, 4)];
      await expect(f.bookings.insertMany(some)).rejects.toThrow(DuplicateKey);
      const page = await f.bookings.query({ index: 'all', limit: 10 });
      expect(page.items.map(({ id }) => id)).toEqual(['a', 'd1', 'd2', 'd3', 'd4']);
    });

    it('removes once, and only the version that is meant', async () => {
      await f.bookings.change('a', write(booking('hall', 1, { seat: '12' })));
      expect(await f.bookings.remove('a', 2)).toBe(false);
      expect(await f.bookings.remove('a', 1)).toBe(true);
      expect(await f.bookings.remove('a')).toBe(false);
      expect(await f.bookings.get('a')).toBeUndefined();
      await f.bookings.change('b', write(booking('hall', 1, { seat: '12' })));
    });

    it('lets one of several removers say that it was there', async () => {
      await f.counters.change('contended', increment());
      await publishAll();
      const collections = await f.countersOfAll();
      const answers = await Promise.all(collections.map((collection) => collection.remove('contended')));
      expect(answers.filter((removed) => removed)).toHaveLength(1);
    });

    it('does not remove a document whose events were not published', async () => {
      await f.counters.change('pending', increment());
      await expect(f.counters.remove('pending')).rejects.toThrow(Defect);
      await expect(f.counters.removeMany(['pending'])).rejects.toThrow(Defect);
      expect(await f.counters.get('pending')).toMatchObject({ version: 1 });
      await publishAll();
      expect(await f.counters.remove('pending')).toBe(true);
    });

    it('never says two events under one number, though the document was removed between them', async () => {
      await f.counters.change('again', increment());
      await publishAll();
      expect(await f.counters.remove('again')).toBe(true);
      await f.counters.change('again', (current) => {
        expect(current).toBeUndefined();
        return increment()(current);
      });
      expect((await f.store.pendingEvents(10)).map(({ id }) => id)).toEqual(['session/counters/again@2']);
      expect(await f.counters.get('again')).toEqual({ id: 'again', version: 2, data: { count: 1 } });
    });

    it('does not take an event in again, though the document was removed after it', async () => {
      await f.counters.take('marked', incoming(1), increment(0));
      expect(await f.counters.removeMany(['marked'])).toBe(1);
      expect(await f.counters.take('marked', incoming(1), increment())).toEqual({ taken: false });
    });

    it('inserts a document again that was removed', async () => {
      await f.counters.change('anew', increment(2));
      await publishAll();
      await f.counters.remove('anew');
      expect(await f.counters.insertMany([{ id: 'anew', data: { count: 7 } }])).toEqual([]);
      expect(await f.counters.get('anew')).toEqual({ id: 'anew', version: 3, data: { count: 7 } });
      expect(await f.counters.insertMany([{ id: 'anew', data: { count: 8 } }])).toEqual(['anew']);
    });
  });
}
