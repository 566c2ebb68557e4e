import { sha256Hex } from '@lastcall/kernel';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
        { path: 'a.txt', mode: 0o640, size: 1, sha256: sha256Hex('a') },
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
