import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProcess } from './contract-process-control.js';
import { counters, range, relay, wholeArchive, type CreateDatabase, type TestDatabase } from './contract-tools.js';
import { openStore } from './open-store.js';
import type { Store } from './port.js';

/** A process that is killed by a real signal, between any two steps of the relay and in the middle of its writes. */
export function describeCrashes(create: CreateDatabase): void {
  describe('crashes', () => {
    let database: TestDatabase;
    let folder: string;
    let published: string;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'lastcall-crash-'));
      published = join(folder, 'published');
      database = await create();
    });
    afterAll(async () => {
      await database.drop();
      rmSync(folder, { recursive: true });
    });
    const linesOf = () => readFileSync(published, 'utf8').split('\n').slice(0, -1);

    it('publishes every event at least once, wherever between two steps of the relay it is killed', async () => {
      const killedAfter: string[] = [];
      for (let kill = 1, done = false; !done; kill += 1) {
        const id = `killed${kill}`;
        writeFileSync(published, '');
        const step = await runAndKill(id, kill);
        killedAfter.push(step);
        done = step === 'done';
        await recoverAndCheck(id, step);
      }
      const one = ['archived', 'published', 'cleared'];
      expect(killedAfter).toEqual(['opened', 'written', 'read', ...one, ...one, ...one, 'read', 'done']);
    }, 120_000);

    /** Kills it after that many steps and answers the last one. */
    async function runAndKill(id: string, kill: number): Promise<string> {
      const child = startProcess(database.options, { do: 'relay', id, published });
      let step = await child.nextLine();
      for (let steps = 1; steps < kill; steps += 1) {
        child.goOn();
        step = await child.nextLine();
      }
      await child.kill();
      return step ?? 'ended early';
    }

    async function recoverAndCheck(id: string, step: string): Promise<void> {
      const store = await openStore(database.options);
      try {
        await checkRecovery(store, id, step);
      } finally {
        await store.close();
      }
    }

    async function checkRecovery(store: Store, id: string, step: string): Promise<void> {
      const document = await (await store.collection(counters)).get(id);
      expect(document?.version).toBe(step === 'opened' ? undefined : 3);
      const before = linesOf();
      const after: string[] = [];
      await relay(store, (event) => after.push(event.id));
      const said = document ? range(1, 3).map((n) => `session/counters/${id}@${n}`) : [];
      const all = [...before, ...after];
      expect([...new Set(all)]).toEqual(said);
      // Repeated is only what was published and not cleared: one event at most.
      expect(all.length - said.length).toBe(step === 'published' ? 1 : 0);
      const archive = (await wholeArchive(store)).filter(({ source }) => source === `session/counters/${id}`);
      expect(archive.map((event) => event.id)).toEqual(said);
      expect(await store.pendingEvents(10)).toEqual([]);
    }

    it('has every write that was acknowledged, whole, when it is killed while it writes', async () => {
      for (const round of range(1, 4)) {
        const id = `torn${round}`;
        const child = startProcess(database.options, { do: 'write', id, published });
        let acknowledged = 0;
        while (acknowledged < round * 20) acknowledged = Number((await child.nextLine()) ?? 'ended early');
        expect(acknowledged).not.toBeNaN();
        await child.kill();
        const store = await openStore(database.options);
        await checkWhole(store, id, acknowledged).finally(() => store.close());
      }
    }, 60_000);

    async function checkWhole(store: Store, id: string, acknowledged: number): Promise<void> {
      const document = await (await store.collection(counters)).get(id);
      expect(document?.data.count).toBeGreaterThanOrEqual(acknowledged);
      expect(document?.version).toBe(document?.data.count);
      const events: number[] = [];
      await relay(store, ({ sequence }) => events.push(sequence));
      expect(events).toEqual(range(1, document?.version ?? 0));
    }
  });
}
