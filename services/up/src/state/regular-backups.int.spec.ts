import { createManualClock, DAY_MS, HOUR_MS, MINUTE_MS, sha256Hex, type ManualClock } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { backUpState, type BackUpOptions } from './back-up.js';
import { openBackupFolder } from './backup-folder.js';
import { DATABASES } from './manifest.js';
import { createRegularBackups } from './regular-backups.js';
import { checkBackup, restoreState } from './restore.js';

/* Weeks of backups on real files; only the clock is held. */

const START = Date.UTC(2026, 10, 29, 2, 15);
const never = new AbortController().signal;
const BYTES = 'bytes of a release';
const HASH = sha256Hex(BYTES);
const BLOB = `catalog/blobs/${HASH.slice(0, 2)}/${HASH}`;

describe('regular backups', () => {
  let dir: string;
  let clock: ManualClock;
  const at = (...parts: string[]): string => join(dir, ...parts);
  const there = (): string[] => readdirSync(at('to')).toSorted();

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lastcall-regular-'));
    clock = createManualClock(START);
    mkdirSync(at('to'));
    for (const folder of ['identity', 'catalog/tuf/metadata', dirname(BLOB)])
      mkdirSync(at('data', folder), { recursive: true });
    writeFileSync(at('data', 'identity/signing-key.pem'), 'a key');
    writeFileSync(at('data', 'catalog/tuf/metadata/1.root.json'), '{}');
    writeFileSync(at('data', BLOB), BYTES);
    for (const name of DATABASES) {
      const db = new DatabaseSync(at('data', name));
      db.exec('CREATE TABLE days (day TEXT)');
      db.close();
    }
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** A process: what it knows, it has read. `keep` 3. */
  function start(more: { owner?: string; to?: string; keys?: boolean } = {}) {
    const gauges: Record<string, number> = {};
    const lines: string[] = [];
    const duty = createRegularBackups({
      ...{ dataDir: at('data'), everyMs: DAY_MS, keep: 3, keys: more.keys ?? false, now: () => clock.now() },
      folder: openBackupFolder(more.to ?? at('to'), at('data'), more.owner ?? 'abc'),
      log: createLogger('info', { write: (line: string) => void lines.push(line) }),
      gauge: (name, value) => void (gauges[name] = value),
      backUp: async (options: BackUpOptions) => {
        const done = await backUpState(options);
        return 'kind' in done ? done : { bytes: done.bytes, files: done.manifest.files.length };
      },
    });
    return { gauges, lines, look: () => duty.runOnce(never), problem: () => duty.state().stateBackupProblem };
  }

  it('takes one a day, keeps the newest, and says when the next is due', async () => {
    const { look, gauges } = start();
    expect(await look()).toBe(START + DAY_MS);
    clock.advance(DAY_MS - 1);
    await look();
    expect(there()).toEqual(['lastcall-abc-20261129T021500Z']);
    for (let day = 1; day < 6; day++) {
      clock.set(START + day * DAY_MS);
      expect(await look()).toBe(START + (day + 1) * DAY_MS);
    }
    expect(there()).toEqual(['02', '03', '04'].map((day) => `lastcall-abc-202612${day}T021500Z`));
    expect(gauges).toEqual({ state_backup_failed: 0, state_backup_seconds: START / 1_000 + 5 * 86_400 });
    for (const name of there()) expect(await checkBackup(at('to', name))).toMatchObject({ format: 1 });
  });

  it('goes by the newest that is there after a restart: none is skipped, none is taken twice', async () => {
    await start().look();
    clock.advance(DAY_MS - HOUR_MS);
    expect(await start().look()).toBe(START + DAY_MS);
    expect(there()).toHaveLength(1);
    clock.advance(3 * DAY_MS);
    expect(await start().look()).toBe(clock.now() + DAY_MS);
    expect(there()).toHaveLength(2);
  });

  it('is not put off by a backup that a wrong clock has named', async () => {
    const { look } = start();
    clock.set(START + 90 * DAY_MS);
    await look();
    clock.set(START);
    expect(await look()).toBe(START + DAY_MS);
    clock.advance(DAY_MS);
    await look();
    expect(there()).toHaveLength(3);
  });

  it("removes only its own: not another Lastcall's, nor what people have put or renamed there", async () => {
    await start({ owner: 'def' }).look();
    const others = ['lastcall-abc', 'lastcall-abc-20251129T021500Z', 'lastcall-abc-notes', 'mine'];
    for (const name of others) mkdirSync(at('to', name));
    writeFileSync(at('to', 'mine', 'backup.json'), '{}');
    const { look } = start();
    await look();
    renameSync(at('to', 'lastcall-abc-20261129T021500Z'), at('to', 'before-the-move'));
    const stay = there();
    for (let day = 1; day < 6; day++) {
      clock.set(START + day * DAY_MS);
      await look();
    }
    expect(there().filter((name) => !/^lastcall-abc-202612/.test(name))).toEqual(stay);
    expect(there()).toHaveLength(stay.length + 3);
  });

  it('has room for each blob once, and gives each backup whole', async () => {
    const { look } = start({ keys: true });
    await look();
    clock.advance(DAY_MS);
    await look();
    const [first = '', second = ''] = there();
    expect(statSync(at('to', second, BLOB)).ino).toBe(statSync(at('to', first, BLOB)).ino);
    rmSync(at('to', first), { recursive: true });
    expect(await restoreState({ from: at('to', second), dataDir: at('restored') })).toMatchObject({});
    expect(readdirSync(at('restored')).toSorted()).toEqual([...DATABASES, 'catalog', 'identity'].toSorted());
  });

  it('takes an earlier blob only where it is as long', async () => {
    const { look } = start();
    await look();
    const [first = ''] = there();
    rmSync(at('to', first, BLOB));
    writeFileSync(at('to', first, BLOB), 'half');
    clock.advance(DAY_MS);
    await look();
    expect(await checkBackup(at('to', there()[1] ?? ''))).toMatchObject({ format: 1 });
  });

  it('clears away what a crash has left, and does not count it', async () => {
    const half = at('to', '.lastcall-abc-20261128T021500Z.unfinished');
    mkdirSync(half);
    writeFileSync(join(half, 'bus.db'), 'half');
    mkdirSync(at('to', '.lastcall-def-20261128T021500Z.unfinished'));
    await start().look();
    expect(there()).toEqual(['.lastcall-def-20261128T021500Z.unfinished', 'lastcall-abc-20261129T021500Z']);
  });

  it.each([
    ['is not there', () => rmSync(at('to'), { recursive: true }), /is not there; make it, or mount its disk/],
    ['is a file', () => (rmSync(at('to'), { recursive: true }), writeFileSync(at('to'), '')), /is no folder/],
    [
      'is in the data folder by another name',
      () => (rmSync(at('to'), { recursive: true }), symlinkSync(at('data', 'catalog'), at('to'))),
      /is in the data folder/,
    ],
  ])('says so when the folder %s, once, and goes on when it is mended', async (_, spoil, says) => {
    spoil();
    const { look, problem, gauges, lines } = start();
    await look();
    await look();
    expect(problem()).toMatch(says);
    expect(gauges).toMatchObject({ state_backup_failed: 1, state_backup_seconds: 0 });
    expect(lines.filter((line) => line.includes('cannot back up'))).toHaveLength(1);
    expect(readdirSync(at('data')).toSorted()).toEqual([...DATABASES, 'catalog', 'identity'].toSorted());
    rmSync(at('to'), { recursive: true, force: true });
    mkdirSync(at('to'));
    clock.advance(10 * MINUTE_MS);
    await look();
    expect(problem()).toBe('');
    expect(gauges['state_backup_failed']).toBe(0);
    expect(there()).toHaveLength(1);
  });

  it('says why a backup failed, and leaves no half of one', async () => {
    rmSync(at('data', 'session.db'));
    const { look, problem } = start();
    expect(await look()).toBeUndefined();
    expect(problem()).toMatch(/session\.db missing/);
    expect(there()).toEqual([]);
  });

  it('says that it may not write', async () => {
    // Where nobody may make a folder, root neither.
    const { look, problem, gauges } = start({ to: '/sys' });
    expect(await look()).toBeUndefined();
    expect(problem()).toMatch(/^\/sys cannot be written to \((EACCES|EPERM|EROFS)\); give it to the user/);
    expect(gauges).toMatchObject({ state_backup_failed: 1, state_backup_seconds: 0 });
  });
});
