import { Defect, Fault } from '@lastcall/kernel';
import { useFixture } from './contract-fixture.js';
import {
  bookings,
  counters,
  increment,
  outgoingEvent,
  range,
  relay,
  wholeArchive,
  write,
  booking,
  type CreateDatabase,
} from './contract-tools.js';
import { openStore } from './open-store.js';
import { InvalidPageToken } from './port.js';

/** Outbox and archive, the clock, and what is there after the store was closed and opened again. */
export function describeEvents(create: CreateDatabase): void {
  describe('events', () => {
    const f = useFixture(create);
    const pending = async () => (await f.store.pendingEvents(1_000)).map(({ id }) => id);

    it('says an event with everything that an envelope has', async () => {
      const before = await f.store.now();
      const data = Uint8Array.from(range(0, 255));
      await f.counters.change('all', () => ({
        write: { count: 1 },
        events: [
          { type: 'GateClosed', installation: 'encore-berlin', data },
          { ...outgoingEvent(), installation: '' },
        ],
        result: undefined,
      }));
      const [first, second] = await f.store.pendingEvents(10);
      const source = 'session/counters/all';
      expect(first).toEqual({
        id: `${source}@1`,
        type: 'GateClosed',
        source,
        sequence: 1,
        installation: 'encore-berlin',
        time: first?.time,
        data,
      });
      expect(first?.time).toBeGreaterThanOrEqual(before);
      expect(second).toMatchObject({ id: `${source}@2`, installation: '', time: first?.time });
      if (first) await f.store.archive(first);
      expect(await wholeArchive(f.store)).toEqual([first]);
    });

    it('gives the events of each document in the order of their numbers, and no more than asked for', async () => {
      for (const n of range(1, 3)) for (const id of ['x/1', 'y']) await f.counters.change(id, increment(n));
      await f.bookings.change('z', () => ({ write: booking('hall', 1), events: [outgoingEvent()], result: undefined }));
      const events = await f.store.pendingEvents(100);
      for (const source of ['session/counters/x/1', 'session/counters/y']) {
        const sequences = events.filter((event) => event.source === source).map(({ sequence }) => sequence);
        expect(sequences).toEqual(range(1, 6));
      }
      expect(events).toHaveLength(13);
      expect(await f.store.pendingEvents(4)).toHaveLength(4);
    });

    it('clears an event, once or twice, and leaves the document as it is', async () => {
      await f.counters.change('clear', increment(3));
      const [first, second, third] = await f.store.pendingEvents(10);
      if (!first || !second || !third) throw new Error('three events are pending');
      await f.store.clearEvent(second);
      await f.store.clearEvent(second);
      expect(await pending()).toEqual([first.id, third.id]);
      await Promise.all([f.store.clearEvent(first), f.store.clearEvent(third), f.store.clearEvent(third)]);
      expect(await pending()).toEqual([]);
      expect(await f.counters.get('clear')).toMatchObject({ version: 3, data: { count: 1 } });
      await f.store.clearEvent(first);
      await f.counters.change('clear', increment(1));
      expect(await pending()).toEqual(['session/counters/clear@4']);
    });

    it('loses no event of a document that is written while its outbox is emptied', async () => {
      const published: string[] = [];
      const emptied = relay(f.store, ({ id }) => published.push(id));
      await Promise.all(range(1, 30).map(() => f.counters.change('busy', increment())));
      await emptied;
      await relay(f.store, ({ id }) => published.push(id));
      expect(new Set(published)).toEqual(new Set(range(1, 30).map((n) => `session/counters/busy@${n}`)));
      expect(published).toEqual(published.toSorted((a, b) => Number(a.split('@')[1]) - Number(b.split('@')[1])));
    });

    it('wakes who listens after writes with events, not after others', async () => {
      let wakes = 0;
      let woken: () => void = () => undefined;
      const first = new Promise<void>((resolve) => (woken = resolve));
      const unlisten = f.store.onOutbox(() => {
        wakes += 1;
        woken();
      });
      await f.counters.change('quiet', increment(0));
      expect(wakes).toBe(0);
      await Promise.all(range(1, 5).map((n) => f.counters.change(`loud${n}`, increment())));
      await first;
      expect(wakes).toBeLessThanOrEqual(5);
      unlisten();
      const before = wakes;
      await f.counters.change('loud1', increment());
      expect(wakes).toBe(before);
    });

    it('keeps archived events once, and gives them oldest first from a time on', async () => {
      const from = (await f.store.now()) + 1_000_000;
      const event = (n: number) => ({
        ...outgoingEvent(n),
        id: `session/counters/old@${n}`,
        source: 'session/counters/old',
        sequence: n,
        time: from + Math.floor(n / 4),
      });
      for (const n of [9, 1, 5, 2, 3, 4, 10, 6, 7, 8, 3, 4]) await f.store.archive(event(n));
      expect((await wholeArchive(f.store, from)).map(({ sequence }) => sequence)).toEqual(range(1, 10));
      expect((await wholeArchive(f.store, from + 1)).map(({ sequence }) => sequence)).toEqual(range(4, 10));
      const { nextPageToken: pageToken = '' } = await f.store.archivedEvents({ fromAt: from, limit: 2 });
      const other = f.store.archivedEvents({ fromAt: from + 1, limit: 2, pageToken });
      await expect(other).rejects.toThrow(InvalidPageToken);
      await expect(f.store.archivedEvents({ fromAt: 0, limit: 0 })).rejects.toThrow(Defect);
    });

    it('stamps the trace context of the caller', async () => {
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      if (!f.database.shared) await f.store.close();
      const store = await openStore({ ...f.database.options, traceContext: () => ({ traceparent, tracestate: '' }) });
      await (await store.collection(counters)).change('traced', increment());
      const [event] = await store.pendingEvents(1);
      expect(event).toMatchObject({ traceparent });
      expect(event).not.toHaveProperty('tracestate');
      if (event) await store.archive(event);
      const kept = (await wholeArchive(store)).find(({ id }) => id === event?.id);
      expect(kept).toEqual(event);
      await store.close();
      await reopen();
    });

    it('has everything when it is opened again, and does nothing once it is closed', async () => {
      await f.bookings.change('a', write(booking('hall', 1, { seat: '1' })));
      await f.counters.change('kept', increment(2));
      const { store, bookings: closed } = f;
      await Promise.all([store.close(), store.close()]);
      expect(store.isConnected()).toBe(false);
      await expect(closed.get('a')).rejects.toThrow(Fault);
      await expect(closed.change('a', write(booking('hall', 2)))).rejects.toThrow(Fault);
      await expect(store.pendingEvents(1)).rejects.toThrow(Fault);
      await reopen();
      expect(f.store.isConnected()).toBe(true);
      expect(await f.bookings.query({ index: 'by_seat', limit: 5 })).toEqual({
        items: [{ id: 'a', version: 1, data: booking('hall', 1, { seat: '1' }) }],
      });
      expect(await pending()).toEqual(['session/counters/kept@1', 'session/counters/kept@2']);
    });

    it('finishes the writes that were under way when it is closed', async () => {
      if (f.database.shared) return; // A replica that is closed in the middle leaves a write to its caller: a Fault.
      const writes = range(1, 5).map((n) => f.counters.change('closing', increment(n)));
      await f.store.close();
      await expect(Promise.all(writes)).resolves.toEqual(range(1, 5));
      await reopen();
      expect(await f.counters.get('closing')).toMatchObject({ version: 15 });
    });

    it('tells the time by one clock, to steps too', async () => {
      const first = await f.store.now();
      const seen = await f.counters.change('clock', (_, { now }) => ({ keep: now }));
      const last = await f.store.now();
      expect(Number.isInteger(seen)).toBe(true);
      expect(seen).toBeGreaterThanOrEqual(first - 1);
      expect(seen).toBeLessThanOrEqual(last + 1);
    });

    async function reopen(): Promise<void> {
      const store = f.database.shared && f.store.isConnected() ? f.store : await openStore(f.database.options);
      const stores = f.database.shared ? [store, ...f.stores.slice(1)] : [store];
      Object.assign(f, { store, stores });
      f.bookings = await store.collection(bookings);
      f.counters = await store.collection(counters);
    }
  });
}
