import { sha256Hex } from '@lastcall/kernel';
import { buildProgram } from '@lastcall/testkit';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { FileProblems } from '../failures.js';
import { inParallel } from './in-parallel.js';
import { readReleaseFolder } from './read-release-folder.js';

const MANIFEST = `product: encore
version: 11.1.0
title: Encore
artifacts:
  - role: server
    directory: server
commands:
  server:
    start:
      run: [./bin/serve, --port, '8080']
`;

describe('a folder with a release', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'lastcall-release-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  function write(files: Readonly<Record<string, string>>): void {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), content);
    }
  }

  async function problems(): Promise<readonly string[]> {
    try {
      await readReleaseFolder(dir);
      return [];
    } catch (error) {
      if (!(error instanceof FileProblems)) throw error;
      return error.problems.map(({ file, line, rule }) => `${file.slice(dir.length + 1)}:${line ?? ''} ${rule}`);
    }
  }

  it('is read with the hash and mode of each file', async () => {
    write({ 'lastcall.yaml': MANIFEST, 'server/bin/serve': '#!', 'server/a.txt': 'a', 'server/b/a.txt': 'a' });
    chmodSync(join(dir, 'server/bin/serve'), 0o755);
    chmodSync(join(dir, 'server/a.txt'), 0o640);
    const { manifest, artifacts } = await readReleaseFolder(dir);
    expect(manifest.version).toBe('11.1.0');
    expect(artifacts[0]?.tree).toEqual({
      totalBytes: 4,
      files: [
        { path: 'a.txt', mode: 0o644, size: 1, sha256: sha256Hex('a') },
        { path: 'b/a.txt', mode: 0o644, size: 1, sha256: sha256Hex('a') },
        { path: 'bin/serve', mode: 0o755, size: 2, sha256: sha256Hex('#!') },
      ],
    });
    expect(artifacts[0]?.sources.size).toBe(2);
  });

  it('is refused without a manifest', async () => {
    expect((await problems())[0]).toContain('lastcall.yaml: is missing');
  });

  it('is refused for a wrong manifest, with line and rule', async () => {
    write({ 'lastcall.yaml': MANIFEST.replace('11.1.0', 'new'), 'server/bin/serve': '' });
    expect((await problems())[0]).toMatch(/^lastcall\.yaml:2 version must match/);
  });

  it('is refused for a folder that is not there, at the line that names it', async () => {
    write({ 'lastcall.yaml': MANIFEST });
    expect((await problems())[0]).toMatch(/^lastcall\.yaml:6 artifacts\[0\]\.directory names .*which is no folder/);
  });

  it('is refused for a program that is not in it', async () => {
    write({ 'lastcall.yaml': MANIFEST, 'server/bin/other': '' });
    expect((await problems())[0]).toMatch(
      /^lastcall\.yaml:10 commands\.server\.start runs \.\/bin\/serve, which is not/,
    );
  });

  it('is refused for links, sockets, empty folders, twins and bad names, all at once', async () => {
    write({ 'lastcall.yaml': MANIFEST, 'server/bin/serve': '', 'server/Read.me': '', 'server/read.ME': '', 'server/aux.txt': '' }); // prettier-ignore
    mkdirSync(join(dir, 'server/empty'));
    symlinkSync('/etc/passwd', join(dir, 'server/link'));
    const socket = createServer();
    await new Promise<void>((resolve) => socket.listen(join(dir, 'server/socket'), resolve));
    const found = (await problems()).join('\n');
    socket.close();
    expect(found).toMatch(/server\/link: is a symbolic link/);
    expect(found).toMatch(/server\/socket: is a socket/);
    expect(found).toMatch(/server\/empty: is an empty folder/);
    expect(found).toMatch(/server\/aux\.txt: .*device on Windows/);
    rmSync(join(dir, 'server/aux.txt'));
    expect((await problems()).join('\n')).toMatch(/server\/read\.ME: .*ignore case/);
  });
});

describe('the tree of a folder', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'lastcall-tree-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  const FILES = ['B/one.txt', 'a/two.sh', 'a.txt', 'a-b/x', 'ä/ö.txt', 'Z.txt', 'i/I1.txt', '10/2', '9/2'];

  /** Hash of the tree as it is signed, read by a process of its own with this umask and locale. */
  function hashIn(folder: string, locale: string): string {
    const env = { ...process.env, LC_ALL: locale, LANG: locale, TZ: locale === 'C' ? 'UTC' : 'Asia/Tokyo' };
    const program = buildProgram(join(__dirname, '../testing/hash-tree.ts'));
    const child = spawnSync(process.execPath, [program, folder], { env, encoding: 'utf8' });
    return child.stdout.trim() || child.stderr;
  }

  function make(name: string, order: readonly string[], umask: number, at: Date): string {
    const folder = join(dir, name);
    const before = process.umask(umask);
    try {
      for (const path of order) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), `content of ${path}`);
        if (path.endsWith('.sh')) chmodSync(join(folder, path), 0o777 & ~umask);
        utimesSync(join(folder, path), at, at);
      }
    } finally {
      process.umask(before);
    }
    return folder;
  }

  it('is the same whatever the umask, the times, the order of creation and the locale', () => {
    const one = make('one', FILES, 0o022, new Date('2001-02-03'));
    const two = make('two', FILES.toReversed(), 0o077, new Date('2030-01-01'));
    const three = make('three', FILES.toSorted(), 0o002, new Date());
    const hashes = [hashIn(one, 'C'), hashIn(two, 'tr_TR.UTF-8'), hashIn(three, 'sv_SE.UTF-8')];
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(hashes).size).toBe(1);
    // What counts: the content, the path, and whether it can be executed.
    chmodSync(join(two, 'a/two.sh'), 0o600);
    expect(hashIn(two, 'C')).not.toBe(hashes[0]);
  });
});

describe('inParallel', () => {
  it('keeps the order and the limit', async () => {
    let running = 0;
    let most = 0;
    const doubled = await inParallel(3, [5, 4, 3, 2, 1], async (n) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return n * 2;
    });
    expect(doubled).toEqual([10, 8, 6, 4, 2]);
    expect(most).toBe(3);
  });
});
