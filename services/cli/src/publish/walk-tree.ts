import { checkTree, TREE_LIMITS, type Tree, type TreeEntry } from '@lastcall/contracts';
import { isRejected, type Rejected } from '@lastcall/kernel';
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { inParallel } from './in-parallel.js';

/*
 * A folder on disk as the tree that will be signed. Refuses links, devices, sockets, empty folders, and every path that the contracts
 * refuse; follows nothing out of the folder. The same files give the same tree on every machine: order is that of the paths' code units,
 * times and owners do not count, and of the mode only whether the owner may execute (as in git), because the rest is the umask
 * of whoever built it.
 */

export interface FileProblem {
  readonly file: string;
  readonly rule: string;
}

export interface WalkedTree {
  /** Absent when there are problems. */
  readonly tree?: Tree;
  /** The file of each hash. */
  readonly sources: ReadonlyMap<string, string>;
  readonly problems: readonly FileProblem[];
}

interface Found {
  readonly path: string;
  readonly file: string;
  readonly mode: number;
  readonly size: number;
}

const OWNER_MAY_EXECUTE = 0o100;
const EXECUTABLE = 0o755;
const PLAIN = 0o644;
const HASH_AT_ONCE = 4;
const NO_HASH = '0'.repeat(64);

export async function walkTree(root: string): Promise<WalkedTree> {
  const found: Found[] = [];
  const problems: FileProblem[] = [];
  await walk(root, '', found, problems);
  if (found.length === 0 && problems.length === 0) problems.push({ file: root, rule: 'has no files' });
  // Before gigabytes are read: paths, numbers and sizes.
  problems.push(...refused(root, found, checkTree(found.map((f) => entry(f, NO_HASH)))));
  if (problems.length > 0) return { sources: new Map(), problems };
  const sources = new Map<string, string>();
  const entries = await inParallel(HASH_AT_ONCE, found, async (one) => {
    const { sha256, size } = await hashFile(one.file);
    if (size !== one.size)
      problems.push({ file: one.file, rule: 'changed while it was read; repeat when it is at rest' });
    sources.set(sha256, one.file);
    return entry(one, sha256);
  });
  const tree = checkTree(entries);
  if (isRejected(tree)) problems.push(...refused(root, found, tree));
  return isRejected(tree) || problems.length > 0 ? { sources, problems } : { tree, sources, problems };
}

function entry({ path, mode, size }: Found, sha256: string): TreeEntry {
  return { path, mode, size, sha256 };
}

async function walk(root: string, below: string, found: Found[], problems: FileProblem[]): Promise<void> {
  const dir = join(root, below);
  const items = (await readdir(dir, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (items.length === 0 && below !== '') {
    problems.push({
      file: dir,
      rule: 'is an empty folder, which a release cannot carry; remove it or put a file into it',
    });
  }
  for (const item of items) {
    const path = below === '' ? item.name : `${below}/${item.name}`;
    const file = join(root, path);
    if (item.isDirectory()) await walk(root, path, found, problems);
    else if (!item.isFile())
      problems.push({ file, rule: `is ${kindOf(item)}; only files and folders can be published` });
    else if (found.length <= TREE_LIMITS.maxFiles) {
      const { mode, size } = await lstat(file);
      found.push({ path, file, mode: (mode & OWNER_MAY_EXECUTE) === 0 ? PLAIN : EXECUTABLE, size });
    }
  }
}

function kindOf(item: Dirent): string {
  if (item.isSymbolicLink()) return 'a symbolic link';
  if (item.isFIFO()) return 'a pipe';
  if (item.isSocket()) return 'a socket';
  return 'a device';
}

/** Violations of the tree's rules, at the files that they are about. */
function refused(root: string, found: readonly Found[], outcome: Tree | Rejected): FileProblem[] {
  if (!isRejected(outcome)) return [];
  return outcome.violations.map(({ field, description }) => {
    const index = /\[(\d+)\]/.exec(field)?.[1];
    const file = index === undefined ? undefined : found[Number(index)]?.file;
    return { file: file ?? root, rule: description };
  });
}

async function hashFile(file: string): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      size += chunk.byteLength;
      hash.update(chunk);
    }
  });
  return { sha256: hash.digest('hex'), size };
}
