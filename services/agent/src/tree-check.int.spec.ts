import { parseTree, type Tree } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { layoutOf, makeFolders, type Layout } from './layout.js';
import { checkTree } from './tree-check.js';
import { createReleases, type Release, type Releases } from './releases.js';
import { sampleRelease } from './testing/sample-release.js';

/*
 * Between the verification of a staged version and its swap somebody touches its files, on a real disk: what is not as signed any more is not made current.
 */

const signal = new AbortController().signal;
const SAMPLE = sampleRelease('11.1.0');

let layout: Layout;
let releases: Releases;
let release: Release;

function signedTree(): { bytes: Buffer; tree: Tree } {
  const files = SAMPLE.files
    .map(({ path, mode, bytes }) => ({ path, mode, size: bytes.byteLength, sha256: sha256Hex(bytes) }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const bytes = Buffer.from(JSON.stringify({ files }));
  return { bytes, tree: parseTree(bytes) as Tree };
}

beforeEach(async () => {
  layout = layoutOf(mkdtempSync(join(tmpdir(), 'lastcall-tree-')));
  makeFolders(layout);
  releases = createReleases(layout, 'encore');
  for (const { path, bytes, mode } of SAMPLE.files) {
    const file = join(layout.versions, '11.1.0', path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, bytes);
    chmodSync(file, mode);
  }
  const { bytes } = signedTree();
  await releases.keepTexts('11.1.0', { manifest: Buffer.from(SAMPLE.manifest), tree: bytes });
  release = await releases.load('11.1.0');
  mkdirSync(join(layout.versions, '11.0.0'));
  mkdirSync(join(layout.releases, '11.0.0'));
  await releases.swapTo('11.0.0');
});
afterEach(() => rmSync(layout.root, { recursive: true, force: true }));

const at = (path: string): string => join(layout.versions, '11.1.0', path);
const current = (): string => readlinkSync(layout.current);

/** Puts other bytes of the same length there, with the times of before. */
function overwrite(path: string): void {
  const { atime, mtime } = statSync(at(path));
  writeFileSync(at(path), Buffer.alloc(statSync(at(path)).size, 'x'));
  utimesSync(at(path), atime, mtime);
}

/** The same bytes, through a link that could lead somewhere else a moment later. */
function linkAway(path: string): void {
  renameSync(at(path), join(layout.root, 'elsewhere'));
  symlinkSync(join(layout.root, 'elsewhere'), at(path));
}

const TOUCHED: readonly (readonly [string, () => void, RegExp])[] = [
  ['other bytes with the times of before', () => overwrite('app/main.js'), /app\/main.js has other bytes/],
  ['a file cut off', () => truncateSync(at('README'), 3), /README has other bytes/],
  [
    'a file replaced by another one',
    () => (writeFileSync(at('new'), 'x'), renameSync(at('new'), at('README'))),
    /README has other bytes/,
  ],
  ['a file gone', () => rmSync(at('bin/tool')), /bin\/tool is missing/],
  ['a file made executable', () => chmodSync(at('app/VERSION'), 0o755), /app\/VERSION has the mode 755/],
  ['a file behind a link', () => linkAway('app/main.js'), /app\/main.js is no file/],
  ['a folder behind a link', () => linkAway('app'), /app was not signed/],
  ['a folder for a file', () => (rmSync(at('README')), mkdirSync(at('README'))), /README is no file/],
  ['a file that was not signed', () => writeFileSync(at('app/preload.js'), 'x'), /app\/preload.js was not signed/],
];

describe('a version touched between its verification and the swap', () => {
  it.each(TOUCHED)('%s: is not made current', async (_, touch, words) => {
    expect(await releases.findChanges(release, true, signal)).toEqual([]);
    touch();
    await expect(releases.swapTo('11.1.0')).rejects.toMatchObject({
      failure: { reason: 'STAGED_CHANGED', message: expect.stringMatching(words) },
    });
    expect(current()).toBe('versions/11.0.0');
    // Verified once more, it says the same.
    expect((await releases.findChanges(release, true, signal)).join()).toMatch(words);
  });

  it('only linked or written again with the same bytes: is made current', async () => {
    await releases.findChanges(release, true, signal);
    linkSync(at('README'), join(layout.root, 'second-name'));
    writeFileSync(at('app/VERSION'), readFileSync(at('app/VERSION')));
    await releases.swapTo('11.1.0');
    expect(current()).toBe('versions/11.1.0');
  });

  it('and a version that was current before can be gone back to, whatever its application did in its folder', async () => {
    await releases.findChanges(release, true, signal);
    await releases.swapTo('11.1.0');
    writeFileSync(at('app/cache'), 'made while it ran');
    await releases.swapTo('11.0.0');
    await releases.swapTo('11.1.0');
    expect(current()).toBe('versions/11.1.0');
  });

  it('is not hashed again where nothing was noted', async () => {
    const dir = join(layout.versions, '11.1.0');
    const { tree } = signedTree();
    const settled = async () => (await checkTree(dir, tree, { exact: true })).seen.size === tree.files.length;
    // Files become older than a tick of the file system by themselves.
    while (!(await settled())) await turn();
    const { seen } = await checkTree(dir, tree, { exact: true });
    // Were it hashed, it would have another hash than this one.
    const wrong = { ...tree, files: tree.files.map((file) => ({ ...file, sha256: '0'.repeat(64) })) };
    expect((await checkTree(dir, wrong, { exact: true, before: seen })).changes).toEqual([]);
    overwrite('README');
    expect((await checkTree(dir, tree, { exact: true, before: seen })).changes).toEqual([
      'README has other bytes than were signed',
    ]);
  });
});
