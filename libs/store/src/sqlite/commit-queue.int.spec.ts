import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CommitQueue } from './commit-queue.js';

type Sync = ReturnType<typeof Promise.withResolvers<void>>;

/** The database is real; when the disk has what was written is the test's to say. */
describe('the commit queue', () => {
  let folder: string;
  let db: DatabaseSync;
  let queue: CommitQueue;
  let syncs: Sync[];
  let told: string[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lastcall-queue-'));
    const file = join(folder, 's.db');
    db = new DatabaseSync(file);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE t (id TEXT PRIMARY KEY) STRICT');
    syncs = [];
    told = [];
    queue = new CommitQueue(db, file, () => {
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      return sync.promise;
    });
  });
  afterEach(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });

  /** Notes how it ended, and when. */
  const note = (name: string, done: Promise<unknown>): Promise<void> =>
    done.then(
      () => void told.push(name),
      (error: unknown) => void told.push(`${name}: ${String(error)}`),
    );
  const insert = (id: string) => () => db.prepare('INSERT INTO t (id) VALUES (?)').run(id);
  const ids = () =>
    db
      .prepare('SELECT id FROM t ORDER BY id')
      .all()
      .map((row) => row['id']);
  /** What the queue does in this turn is done, and so is what follows from it. */
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('tells neither the writer nor a reader what the disk does not have yet', async () => {
    const written = note('written', queue.write(insert('a')));
    await turn();
    const seen: unknown[] = [];
    const read = note(
      'read',
      queue.read(() => seen.push(...ids())),
    );
    await turn();
    expect({ seen, told, waits: syncs.length }).toEqual({ seen: ['a'], told: [], waits: 1 });
    syncs[0]?.resolve();
    await Promise.all([written, read]);
    expect(told).toEqual(['written', 'read']);
  });

  it('takes what comes during a wait together, in its order, with one more wait', async () => {
    const first = note('a', queue.write(insert('a')));
    await turn();
    const others = ['b', 'c'].map((id) => note(id, queue.write(insert(id))));
    await turn();
    expect({ there: ids(), waits: syncs.length }).toEqual({ there: ['a'], waits: 1 });
    syncs[0]?.resolve();
    await first;
    await turn();
    expect({ there: ids(), told, waits: syncs.length }).toEqual({ there: ['a', 'b', 'c'], told: ['a'], waits: 2 });
    syncs[1]?.resolve();
    await Promise.all(others);
    expect(told).toEqual(['a', 'b', 'c']);
  });

  it('does not wait where nothing was written, nor for what need not survive a power cut', async () => {
    await queue.write(() => undefined);
    await queue.write(insert('a'), 'process');
    expect(await queue.read(ids)).toEqual(['a']);
    expect(syncs).toHaveLength(0);
  });

  it('leaves the others alone when one throws of its own accord', async () => {
    const refuse = () => {
      throw new Error('no');
    };
    const bad = note('bad', queue.write(refuse));
    const good = note('good', queue.write(insert('a')));
    await turn();
    syncs[0]?.resolve();
    await Promise.all([bad, good]);
    expect(told).toEqual([expect.stringMatching(/^bad: Error: no/), 'good']);
    expect(ids()).toEqual(['a']);
  });

  it('ends when the disk did not take it, and says so to everybody', async () => {
    const written = note('written', queue.write(insert('a')));
    await turn();
    const waiting = note('waiting', queue.write(insert('b')));
    const read = note('read', queue.read(ids));
    expect(queue.isOpen()).toBe(true);
    syncs[0]?.reject(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }));
    await Promise.all([written, waiting, read]);
    await note('later', queue.write(insert('c')));
    await note('read later', queue.read(ids));
    const fault = /^(written|waiting|read|later|read later): Fault: the database .*s\.db .*start Lastcall again.*EIO/;
    expect(told).toEqual(Array.from({ length: 5 }, (): unknown => expect.stringMatching(fault)));
    expect(queue.isOpen()).toBe(false);
    expect({ there: ids(), waits: syncs.length }).toEqual({ there: ['a'], waits: 1 });
    await queue.close();
  });

  it('is closed when the disk has everything, and takes nothing more', async () => {
    const first = note('a', queue.write(insert('a')));
    await turn();
    const second = note('b', queue.write(insert('b')));
    const closed = note('closed', queue.close());
    await note('late', queue.write(insert('c')));
    syncs[0]?.resolve();
    await first;
    await turn();
    expect(told).toEqual([expect.stringMatching(/^late: Fault: .* is closed/), 'a']);
    syncs[1]?.resolve();
    await Promise.all([second, closed]);
    expect(told.slice(2)).toEqual(['b', 'closed']);
    expect(ids()).toEqual(['a', 'b']);
  });
});
