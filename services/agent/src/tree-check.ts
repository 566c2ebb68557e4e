import type { Tree, TreeEntry } from '@lastcall/contracts';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile, walkFiles } from './files.js';

/*
 * Whether the files of a version are those that were signed. Hashing all of them takes long, so it is done before anybody is disturbed; right before the
 * swap only what somebody may have touched since is hashed again. The file system says which: it notes every change of a file's bytes, name or mode,
 * and nobody can set that note.
 */

/** What the file system notes of each file that was found as signed. */
export type Seen = ReadonlyMap<string, string>;

export interface TreeCheck {
  /** What is not as signed, at most a few; links count as changes, whatever they lead to. */
  readonly changes: readonly string[];
  readonly seen: Seen;
}

export interface TreeCheckOptions {
  /** Files that were not signed count too. */
  readonly exact: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Of an earlier check: what is as it was then is not hashed again. */
  readonly before?: Seen | undefined;
}

const MAX_CHANGES = 5;
/** The clock of a file system ticks every few milliseconds: what is younger may change again within the same tick. */
const TICK_MS = 100;

export async function checkTree(dir: string, tree: Tree, options: TreeCheckOptions): Promise<TreeCheck> {
  const changes: string[] = [];
  const seen = new Map<string, string>();
  /** Signed too, and not in `seen`. */
  const others = new Set<string>();
  for (const entry of tree.files) {
    if (changes.length >= MAX_CHANGES) return { changes, seen };
    const { change, note } = await checkFile(join(dir, entry.path), entry, options);
    if (change !== undefined) changes.push(`${entry.path} ${change}`);
    if (note === undefined) others.add(entry.path);
    else seen.set(entry.path, note);
  }
  if (!options.exact) return { changes, seen };
  for await (const path of walkFiles(dir)) {
    if (changes.length >= MAX_CHANGES) break;
    if (!seen.has(path) && !others.has(path)) changes.push(`${path} was not signed`);
  }
  return { changes, seen };
}

interface FileCheck {
  readonly change?: string;
  readonly note?: string | undefined;
}

async function checkFile(path: string, entry: TreeEntry, { before, signal }: TreeCheckOptions): Promise<FileCheck> {
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  if (!found) return { change: 'is missing' };
  if (!found.isFile()) return { change: 'is no file' };
  const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = found;
  const isSettled = Date.now() - Number(ctimeMs) > TICK_MS;
  const note = isSettled ? [dev, ino, size, mtimeNs, ctimeNs].join() : undefined;
  const isKnown = note !== undefined && before?.get(entry.path) === note;
  if (size !== BigInt(entry.size) || (!isKnown && (await hashFile(path, signal)).sha256 !== entry.sha256))
    return { change: 'has other bytes than were signed' };
  const mode = Number(found.mode) & 0o777;
  if (process.platform !== 'win32' && mode !== entry.mode)
    return { change: `has the mode ${mode.toString(8)}, signed was ${entry.mode.toString(8)}` };
  return { note };
}
