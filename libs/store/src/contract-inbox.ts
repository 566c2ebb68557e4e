import { useFixture } from './contract-fixture.js';
import { incoming, increment, range, type CreateDatabase } from './contract-tools.js';
import { INBOX_SIZE } from './port.js';

/** Taking in events: each has its effect once, as long as the inbox reaches. */
export function describeInbox(create: CreateDatabase): void {
  describe('inbox', () => {
    const f = useFixture(create);

    it('takes an event in once', async () => {
      expect(await f.counters.take('once', incoming(1), increment())).toEqual({ taken: true, result: 1 });
      expect(await f.counters.take('once', incoming(1), increment())).toEqual({ taken: false });
      expect(await f.counters.take('once', incoming(2), increment())).toEqual({ taken: true, result: 2 });
      expect(await f.counters.get('once')).toMatchObject({ version: 2, data: { count: 2 } });
      expect(await f.store.pendingEvents(10)).toHaveLength(2);
    });

    it('takes each in once when all come several times at once, to several replicas', async () => {
      const collections = await f.countersOfAll();
      const deliveries = range(1, 8).flatMap((n) => collections.map((collection) => ({ n, collection })));
      const taken = await Promise.all(
        deliveries.map(({ n, collection }) => collection.take('many', incoming(n), increment())),
      );
      expect(taken.filter((outcome) => outcome.taken)).toHaveLength(8);
      expect(await f.counters.get('many')).toMatchObject({ version: 8, data: { count: 8 } });
    });

    it('knows events of different sources apart, and documents too', async () => {
      await f.counters.take('apart', incoming(1, 'scheduler/runs/a'), increment());
      expect(await f.counters.take('apart', incoming(1, 'scheduler/runs/b'), increment())).toMatchObject({
        taken: true,
      });
      expect(await f.counters.take('other', incoming(1, 'scheduler/runs/a'), increment())).toMatchObject({
        taken: true,
      });
    });

    it('takes in what comes late', async () => {
      await f.counters.take('late', incoming(6), increment());
      expect(await f.counters.take('late', incoming(5), increment())).toEqual({ taken: true, result: 2 });
      expect(await f.counters.take('late', incoming(6), increment())).toEqual({ taken: false });
    });

    it('leaves no mark when the step keeps or throws', async () => {
      expect(await f.counters.take('kept', incoming(1), () => ({ keep: 0 }))).toEqual({ taken: true, result: 0 });
      const broken = f.counters.take('kept', incoming(1), () => {
        throw new Error('broken step');
      });
      await expect(broken).rejects.toThrow('broken step');
      expect(await f.counters.take('kept', incoming(1), increment())).toEqual({ taken: true, result: 1 });
    });

    it('keeps its marks when the document is changed otherwise', async () => {
      await f.counters.take('mixed', incoming(1), increment());
      await f.counters.change('mixed', increment());
      expect(await f.counters.take('mixed', incoming(1), increment())).toEqual({ taken: false });
    });

    it(`remembers the last ${INBOX_SIZE}`, async () => {
      for (const n of range(0, INBOX_SIZE)) await f.counters.take('bound', incoming(n), increment(0));
      expect(await f.counters.take('bound', incoming(1), increment(0))).toEqual({ taken: false });
      expect(await f.counters.take('bound', incoming(0), increment(0))).toMatchObject({ taken: true });
      expect(await f.counters.take('bound', incoming(1), increment(0))).toMatchObject({ taken: true });
    });
  });
}
