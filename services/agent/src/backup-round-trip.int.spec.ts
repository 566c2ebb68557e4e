import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '@lastcall/kernel';
import { createBackups, digestOf, type Backups, type Sealing } from './backups.js';
import { layoutOf, makeFolders, type Layout } from './layout.js';
import { StepFailure } from './step-failure.js';

/*
 * A restore point from the files of the backup command to the files that the restore command gets: taken, damaged on purpose and refused, and brought back
 * to the last byte, plain and encrypted.
 */

const POINT = 'rp-1';
const NEVER = new AbortController().signal;
const HOW: Sealing = { verified: true, version: '11.0.0', takenAt: 1_000 };
const MIB = 2 ** 20;

describe.each(['plain', 'encrypted'])('a restore point, %s', (how) => {
  let layout: Layout;
  let backups: Backups;
  let keyFile: string;
  const isEncrypted = how === 'encrypted';
  const name = isEncrypted ? 'archive.tar.zst.enc' : 'archive.tar.zst';
  beforeEach(() => {
    layout = layoutOf(mkdtempSync(join(tmpdir(), 'lastcall-backup-')));
    makeFolders(layout);
    keyFile = join(layout.root, 'backup.keys');
    writeFileSync(keyFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    backups = createBackups(layout, isEncrypted ? { keyFile } : {});
  });
  afterEach(() => rmSync(layout.root, { recursive: true, force: true }));

  const file = (path: string): string => join(layout.backups, POINT, path);

  async function take(write: (dir: string) => void, sealing: Partial<Sealing> = {}, point = POINT) {
    write(await backups.begin(point));
    await backups.keep(point);
    return backups.seal(point, { ...HOW, ...sealing }, NEVER, () => undefined);
  }
  const threeMebibytes = (dir: string): void => writeFileSync(join(dir, 'data.bin'), randomBytes(3 * MIB));

  async function reasonsOf(): Promise<(string | undefined)[]> {
    const failure = (work: Promise<unknown>) =>
      work.then(
        () => undefined,
        (error: unknown) => (error instanceof StepFailure ? error.failure.reason : String(error)),
      );
    const reasons = [await failure(backups.check(POINT, NEVER)), await failure(backups.open(POINT, NEVER))];
    expect(readdirSync(layout.scratch)).toEqual([]);
    return reasons;
  }
  const CHANGED = ['BACKUP_CHANGED', 'BACKUP_CHANGED'];

  it('comes back as it was: bytes, names, modes, times, links, empty files and folders', async () => {
    const long = `${'ü'.repeat(100)}.${'x'.repeat(40)}`;
    const bytes = randomBytes(2 * MIB + 17);
    const taken = await take((dir) => {
      mkdirSync(join(dir, 'a/b/empty'), { recursive: true });
      writeFileSync(join(dir, 'a/b/random'), bytes, { mode: 0o640 });
      writeFileSync(join(dir, `a/${long}`), 'long');
      writeFileSync(join(dir, 'a.b'), '');
      writeFileSync(join(dir, 'exactly'), Buffer.alloc(512, 1));
      writeFileSync(join(dir, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
      utimesSync(join(dir, 'tool'), 1_000_000, 1_000_000);
      symlinkSync('b/random', join(dir, 'a/link'));
      symlinkSync('/nowhere', join(dir, 'broken'));
      chmodSync(join(dir, 'a/b'), 0o555);
    });
    expect(taken).toMatchObject({
      verified: true,
      sizeBytes: bytes.length + 4 + 512 + 10,
      folder: join(layout.backups, POINT),
    });
    expect(taken.keyId === undefined).toBe(!isEncrypted);
    expect(await backups.check(POINT, NEVER)).toEqual(taken);
    const { filesDir, close } = await backups.open(POINT, NEVER);
    expect(readFileSync(join(filesDir, 'a/b/random')).equals(bytes)).toBe(true);
    expect(readFileSync(join(filesDir, `a/${long}`), 'utf8')).toBe('long');
    expect(readFileSync(join(filesDir, 'a.b'))).toHaveLength(0);
    expect(readdirSync(join(filesDir, 'a/b'))).toEqual(['empty', 'random']);
    expect([
      lstatSync(join(filesDir, 'a/b/random')).mode & 0o777,
      lstatSync(join(filesDir, 'a/b')).mode & 0o777,
    ]).toEqual([0o640, 0o755]);
    expect(lstatSync(join(filesDir, 'tool'))).toMatchObject({ mtimeMs: 1e9 });
    expect([readlinkSync(join(filesDir, 'a/link')), readlinkSync(join(filesDir, 'broken'))]).toEqual([
      'b/random',
      '/nowhere',
    ]);
    await close();
    expect(readdirSync(layout.scratch)).toEqual([]);
    expect(readdirSync(layout.backups)).toEqual([POINT]);
  });

  it('is proven by bringing it back where the release has no proof', async () => {
    const seen: number[][] = [];
    threeMebibytes(await backups.begin(POINT));
    await backups.keep(POINT);
    const taken = await backups.seal(POINT, { ...HOW, verified: false }, NEVER, (...at) => void seen.push(at));
    expect(taken).toMatchObject({ verified: true, verifiedAt: 1_000 });
    expect(seen.at(-1)).toEqual([6 * MIB, 6 * MIB]);
    expect(readdirSync(layout.scratch)).toEqual([]);
    expect((await backups.last())?.restorePoint).toBe(POINT);
  });

  it('with one flipped byte is refused, and it is said where', async () => {
    await take(threeMebibytes);
    const archive = readFileSync(file(name));
    for (const at of [0, MIB + 5, archive.length - 1]) {
      const damaged = Buffer.from(archive);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(file(name), damaged);
      expect(await reasonsOf()).toEqual(CHANGED);
      const failed = await backups.check(POINT, NEVER).catch((error: unknown) => error as StepFailure);
      const places = failed instanceof StepFailure ? failed.failure.facts['damaged_bytes'] : '';
      const [from = 0, to = 0] = places?.split('-').map(Number) ?? [];
      expect(from <= at && at <= to && to - from <= MIB + 16).toBe(true);
    }
    writeFileSync(file(name), archive);
    await backups.check(POINT, NEVER);
    await (await backups.open(POINT, NEVER)).close();
  });

  it.each<[string, (layout: Layout) => void]>([
    ['truncated', () => truncateSync(file(name), MIB + 100)],
    ['empty', () => truncateSync(file(name), 0)],
    ['longer', () => writeFileSync(file(name), 'more', { flag: 'a' })],
    ['gone', () => rmSync(file(name))],
    ['without its list of hashes', () => rmSync(file(`${name}.chunks`))],
    ['with another list of hashes', () => writeFileSync(file(`${name}.chunks`), Buffer.alloc(96))],
    ['without its record', () => rmSync(file('backup.json'))],
    ['with half a record', () => truncateSync(file('backup.json'), 20)],
  ])('that is %s is refused', async (_, damage) => {
    await take(threeMebibytes);
    damage(layout);
    expect(await reasonsOf()).toEqual(CHANGED);
    // It hides no other one.
    await take(threeMebibytes, { takenAt: 500 }, 'rp-0');
    expect(['rp-0', POINT]).toContain((await backups.last())?.restorePoint);
  });

  it('does not count any more when it was looked at again and is not whole', async () => {
    await take(threeMebibytes);
    expect(await backups.recordVerified(POINT, true, 7)).toMatchObject({ verified: true, verifiedAt: 7 });
    expect(await backups.recordVerified(POINT, false, 8)).toMatchObject({ verified: false, verifiedAt: 7 });
    expect(await backups.last()).toBeUndefined();
  });

  it('is removed as a whole, except the newest proven one', async () => {
    for (const [i, point] of ['rp-1', 'rp-2', 'rp-3'].entries()) await take(threeMebibytes, { takenAt: i }, point);
    await expect(backups.remove(['rp-1', 'rp-3', 'rp-0'])).rejects.toMatchObject({
      failure: { reason: 'BACKUP_IS_NEWEST', facts: { restore_point: 'rp-3' } },
    });
    expect(readdirSync(layout.backups)).toEqual(['rp-2', 'rp-3']);
  });

  it('of nothing is none', async () => {
    await expect(take((dir) => mkdirSync(join(dir, 'folder')))).rejects.toMatchObject({
      failure: { reason: 'BACKUP_EMPTY' },
    });
  });

  it('is stopped in the middle when the agent stops', async () => {
    const stop = new AbortController();
    threeMebibytes(await backups.begin(POINT));
    await expect(backups.seal(POINT, HOW, AbortSignal.abort(), () => undefined)).rejects.toThrow(
      'the agent is stopping',
    );
    await backups.seal(POINT, HOW, stop.signal, () => undefined);
    stop.abort();
    await expect(backups.open(POINT, stop.signal)).rejects.toThrow('the agent is stopping');
    expect(readdirSync(layout.scratch)).toEqual([]);
  });

  if (isEncrypted) {
    it('shows nothing of its content, and is opened by any key of the file', async () => {
      await take((dir) => writeFileSync(join(dir, 'secret'), 'the word is swordfish '.repeat(9)));
      for (const part of readdirSync(file(''))) expect(readFileSync(file(part)).includes('swordfish')).toBe(false);
      const old = readFileSync(keyFile, 'utf8');
      writeFileSync(keyFile, `${randomBytes(32).toString('hex')}\n${old}`);
      const newer = await take(threeMebibytes, {}, 'rp-2');
      expect(newer.keyId).not.toBe((await backups.find(POINT))?.keyId);
      expect(await backups.check(POINT, NEVER)).toMatchObject({ restorePoint: POINT });
      await (await backups.open('rp-2', NEVER)).close();
    });

    it('needs its key, in a file that nobody else can read', async () => {
      await take(threeMebibytes);
      const key = readFileSync(keyFile, 'utf8');
      const cases: readonly (readonly [string, () => void])[] = [
        ['BACKUP_KEY_MISSING', () => writeFileSync(keyFile, 'f'.repeat(64))],
        ['BACKUP_KEY_UNUSABLE', () => writeFileSync(keyFile, 'secret')],
        ['BACKUP_KEY_UNUSABLE', () => chmodSync(keyFile, 0o640)],
        ['BACKUP_KEY_UNUSABLE', () => rmSync(keyFile)],
      ];
      for (const [reason, change] of cases) {
        change();
        expect(await reasonsOf()).toEqual([reason, reason]);
        expect(await reasonsOf()).toEqual([reason, reason]);
        await expect(createBackups(layout).check(POINT, NEVER)).rejects.toMatchObject({
          failure: { reason: 'BACKUP_KEY_MISSING' },
        });
        writeFileSync(keyFile, key);
        chmodSync(keyFile, 0o600);
      }
      await backups.check(POINT, NEVER);
    });

    it('is bound to its name: another one under it is refused, although its own sums are right', async () => {
      await take(threeMebibytes);
      renameSync(file(''), join(layout.backups, 'rp-2'));
      const record = join(layout.backups, 'rp-2', 'backup.json');
      writeFileSync(record, readFileSync(record, 'utf8').replace('"rp-1"', '"rp-2"'));
      await expect(backups.open('rp-2', NEVER)).rejects.toMatchObject({ failure: { reason: 'BACKUP_CHANGED' } });
    });
  }
});

describe('a restore point of an older agent', () => {
  it('is read as it lies there, and refused when it was changed', async () => {
    const layout = layoutOf(mkdtempSync(join(tmpdir(), 'lastcall-backup-')));
    makeFolders(layout);
    const dir = join(layout.backups, POINT);
    mkdirSync(join(dir, 'files/sub'), { recursive: true });
    writeFileSync(join(dir, 'files/sub/db'), 'data');
    const files = [{ path: 'sub/db', size: 4, sha256: sha256Hex('data') }];
    const evidence = { restorePoint: POINT, takenAt: 1, sizeBytes: 4, sha256: digestOf(files), verified: true };
    writeFileSync(join(dir, 'backup.json'), JSON.stringify({ ...evidence, version: '11.0.0', files }));
    const backups = createBackups(layout);
    expect(await backups.last()).toMatchObject({ restorePoint: POINT, storedBytes: 4 });
    const { filesDir, close } = await backups.open(POINT, NEVER);
    expect(readFileSync(join(filesDir, 'sub/db'), 'utf8')).toBe('data');
    await close();
    expect(existsSync(join(dir, 'files/sub/db'))).toBe(true);
    await backups.check(POINT, NEVER);
    writeFileSync(join(dir, 'files/sub/db'), 'else');
    for (const look of ['check', 'open'] as const) {
      await expect(backups[look](POINT, NEVER)).rejects.toMatchObject({ failure: { reason: 'BACKUP_CHANGED' } });
    }
    rmSync(layout.root, { recursive: true });
  });
});
