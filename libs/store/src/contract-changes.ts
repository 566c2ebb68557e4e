import { Defect } from '@lastcall/kernel';
import { useFixture } from './contract-fixture.js';
import { booking, increment, outgoingEvent, range, write, type CreateDatabase } from './contract-tools.js';
import { DuplicateKey } from './port.js';

/** Writing one document: versions, comparing and setting, unique keys, what data may be. */
export function describeChanges(create: CreateDatabase): void {
  describe('changes', () => {
    const f = useFixture(create);

    it('makes a document, and changes it', async () => {
      expect(await f.bookings.get('a')).toBeUndefined();
      await f.bookings.change('a', (current, { version }) => {
        expect([current, version]).toEqual([undefined, 0]);
        return { write: booking('hall', 1), result: undefined };
      });
      await f.bookings.change('a', (current, { version }) => {
        expect([current, version]).toEqual([booking('hall', 1), 1]);
        return { write: booking('hall', 2), result: undefined };
      });
      expect(await f.bookings.get('a')).toEqual({ id: 'a', version: 2, data: booking('hall', 2) });
    });

    it('numbers a write by its events, and by one when it has none', async () => {
      await f.counters.change('n', increment(3));
      expect(await f.counters.get('n')).toMatchObject({ version: 3 });
      await f.counters.change('n', increment(0));
      await f.counters.change('n', increment(1));
      expect(await f.counters.get('n')).toMatchObject({ version: 5 });
      expect((await f.store.pendingEvents(10)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 5]);
    });

    it('leaves everything as it was when a step keeps', async () => {
      expect(await f.bookings.change('a', () => ({ keep: 'kept' }))).toBe('kept');
      expect(await f.bookings.get('a')).toBeUndefined();
      await f.bookings.change('a', write(booking('hall', 1)));
      expect(await f.bookings.change('a', (_, { version }) => ({ keep: version }))).toBe(1);
      expect(await f.bookings.get('a')).toMatchObject({ version: 1 });
    });

    it('loses no update of 50 who write at once', async () => {
      const collections = await f.countersOfAll();
      const results = await Promise.all(
        range(1, 10).flatMap(() => collections.map((collection) => collection.change('fifty', increment()))),
      );
      expect(results.toSorted((a, b) => a - b)).toEqual(range(1, 50));
      expect(await f.counters.get('fifty')).toEqual({ id: 'fifty', version: 50, data: { count: 50 } });
      const events = await f.store.pendingEvents(100);
      expect(events.map(({ sequence, data }) => [sequence, data[0]])).toEqual(range(1, 50).map((n) => [n, n]));
    });

    it('gives the error of a step to its caller alone', async () => {
      const broken = f.bookings.change('a', () => {
        throw new Error('broken step');
      });
      const good = f.bookings.change('b', write(booking('hall', 1)));
      await expect(broken).rejects.toThrow('broken step');
      await good;
      expect(await f.bookings.get('a')).toBeUndefined();
      expect(await f.bookings.get('b')).toMatchObject({ version: 1 });
    });

    it('writes nothing, the events included, when another document has the key', async () => {
      await f.bookings.change('a', write(booking('hall', 1, { seat: '12' })));
      await f.bookings.change('b', write(booking('hall', 1, { seat: '13' })));
      const taken = f.bookings.change('b', () => ({
        write: booking('hall', 2, { seat: '12' }),
        events: [outgoingEvent()],
        result: undefined,
      }));
      await expect(taken).rejects.toThrow(DuplicateKey);
      await expect(taken).rejects.toMatchObject({ collection: 'bookings' });
      expect(await f.bookings.get('b')).toMatchObject({ version: 1, data: { at: 1, seat: '13' } });
      expect(await f.store.pendingEvents(10)).toEqual([]);
    });

    it('lets a document keep its own key, and others stand without one', async () => {
      await f.bookings.change('a', write(booking('hall', 1, { seat: '12' })));
      await f.bookings.change('a', write(booking('hall', 2, { seat: '12' })));
      await f.bookings.change('b', write(booking('hall', 1)));
      await f.bookings.change('c', write(booking('hall', 1)));
      await f.bookings.change('a', write(booking('hall', 3)));
      await f.bookings.change('b', write(booking('hall', 1, { seat: '12' })));
      expect(await f.bookings.count({ index: 'by_seat' })).toBe(1);
    });

    it('gives a key to one of 20 who want it at once', async () => {
      const outcomes = await Promise.allSettled(
        range(1, 20).map((i) => f.bookings.change(`s${i}`, write(booking('hall', i, { seat: '1' })))),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const reasons = outcomes.flatMap((o) => (o.status === 'rejected' ? [o.reason as unknown] : []));
      expect(reasons.every((reason) => reason instanceof DuplicateKey)).toBe(true);
      expect(await f.bookings.count({ index: 'by_room', where: { room: 'hall' } })).toBe(1);
    });

    it.each([
      [
        'keys that databases use themselves',
        JSON.parse('{"$set":1,"a.b":{"$x":2},"":3,"__proto__":{"x":1}}') as unknown,
      ],
      ['numbers', [0, -1.5, 1e300, Number.MAX_SAFE_INTEGER, 2 ** 31, 5e-324]],
      ['texts', ['', 'ä\u0000\n', '😀', '\ud800', '\uffff']],
      ['nesting', { a: [[], {}, [null, [{ b: [false] }]]] }],
    ])('gives back %s as they were', async (_, note) => {
      await f.bookings.change('a', write(booking('hall', 1, { note })));
      expect(JSON.stringify((await f.bookings.get('a'))?.data.note)).toBe(JSON.stringify(note));
    });

    it.each([
      ['a Date', new Date(0)],
      ['a bigint', 1n],
      ['NaN', Number.NaN],
      ['undefined in a list', [undefined]],
      ['a hole', Array.from([1]).concat(Array<number>(1))],
      ['a Map', new Map()],
      ['bytes', new Uint8Array(1)],
    ])('refuses %s, which would come back as something else', async (_, note) => {
      await expect(f.bookings.change('a', write(booking('hall', 1, { note })))).rejects.toThrow(Defect);
      expect(await f.bookings.get('a')).toBeUndefined();
    });

    it('takes ids of up to 256 characters of any kind', async () => {
      for (const id of ['x'.repeat(256), '😀'.repeat(256), 'a/b c@1', '$where', '.']) {
        await f.bookings.change(id, write(booking('hall', 1)));
        expect(await f.bookings.get(id)).toMatchObject({ id });
      }
      for (const id of ['', 'x'.repeat(257), '\ud800']) {
        await expect(f.bookings.change(id, write(booking('hall', 1)))).rejects.toThrow(Defect);
        expect(await f.bookings.get(id)).toBeUndefined();
      }
    });
  });
}
