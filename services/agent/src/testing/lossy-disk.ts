import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { watchWrites, type DiskWrite } from '../files.js';

/*
 * What a disk would hold if the power went away: after each write of an agent, only what had been synced by then. A file whose bytes were not
 * synced is empty, a name that was not synced is not there, and one that was replaced without a sync is still the old one.
 *
 * Two things are not the agent's: its database (SQLite, synchronous FULL: what was committed is there) and the application's data (the application's
 * own duty: as it was at that moment).
 */

interface Entry {
  readonly kind: 'file' | 'folder' | 'link';
  /** Inode: what is behind the name, whatever it is called later. */
  readonly id: number;
  readonly target: string;
}
type Names = ReadonlyMap<string, Entry>;

export interface DiskImage {
  /** The write that the power went away after. */
  readonly after: DiskWrite;
  readonly digest: string;
  /** Makes the folder as it would be found. */
  restoreTo(dir: string): void;
}

export interface LossyDisk {
  /** One after each write, those that are the same as one before left out. */
  readonly images: readonly DiskImage[];
  /** How many writes there were. */
  readonly writes: number;
  stop(): void;
}

/** Not looked after by the agent's writes: of the database, the application, or of no use after a crash. */
const OTHERS = /^(journal\.db.*|lock\.db.*|data|logs|scratch|reserve)$/;

export function startLossyDisk(root: string): LossyDisk {
  const folders = new Map<number, Names>();
  const files = new Map<number, { bytes: Buffer; mode: number }>();
  // A file that is held open keeps its inode for itself.
  const held: number[] = [];
  const images: DiskImage[] = [];
  const seen = new Set<string>();
  let writes = 0;
  const rootId = lstatSync(root).ino;

  const namesOf = (dir: string): Names =>
    new Map(
      readdirSync(dir)
        .filter((name) => dir !== root || !OTHERS.test(name))
        .map((name): [string, Entry] => [name, entryOf(join(dir, name))]),
    );
  function hold(path: string): number {
    held.push(openSync(path, 'r'));
    return lstatSync(path).ino;
  }
  function syncFile(path: string): void {
    files.set(hold(path), { bytes: readFileSync(path), mode: lstatSync(path).mode & 0o777 });
  }
  function syncFolder(dir: string): void {
    const names = namesOf(dir);
    for (const [name, { kind }] of names) if (kind !== 'link') hold(join(dir, name));
    folders.set(hold(dir), names);
  }
  function syncAll(dir: string): void {
    syncFolder(dir);
    for (const [name, { kind }] of folders.get(lstatSync(dir).ino) ?? []) {
      if (kind === 'folder') syncAll(join(dir, name));
      if (kind === 'file') syncFile(join(dir, name));
    }
  }

  syncAll(root);
  const stop = watchWrites((write) => {
    if (!write.path.startsWith(root)) return;
    writes++;
    if (write.kind === 'file-synced') syncFile(write.path);
    if (write.kind === 'folder-synced') syncFolder(write.path);
    const image = imageOf(write, { rootId, folders: new Map(folders), files: new Map(files) }, root);
    if (!seen.has(image.digest)) images.push(image);
    seen.add(image.digest);
  });
  return {
    images,
    get writes() {
      return writes;
    },
    stop: () => {
      stop();
      held.splice(0).forEach(closeSync);
    },
  };
}

function entryOf(path: string): Entry {
  const stats = lstatSync(path);
  const kind = stats.isSymbolicLink() ? 'link' : stats.isDirectory() ? 'folder' : 'file';
  return { kind, id: kind === 'link' ? 0 : stats.ino, target: kind === 'link' ? readlinkSync(path) : '' };
}

interface Synced {
  readonly rootId: number;
  readonly folders: ReadonlyMap<number, Names>;
  readonly files: ReadonlyMap<number, { bytes: Buffer; mode: number }>;
}

type Made = { readonly path: string; readonly mode: number } & (
  | { readonly kind: 'folder' }
  | { readonly kind: 'file'; readonly bytes: Buffer }
  | { readonly kind: 'link'; readonly target: string }
);

function imageOf(after: DiskWrite, synced: Synced, root: string): DiskImage {
  const made = [...below(synced, synced.rootId, ''), ...dataOf(join(root, 'data'))];
  const journal = journalOf(join(root, 'journal.db'));
  const hash = createHash('sha256').update(JSON.stringify(journal));
  for (const one of made) {
    hash.update(`\n${one.kind} ${one.path} ${one.mode} ${one.kind === 'link' ? one.target : ''}`);
    if (one.kind === 'file') hash.update(one.bytes);
  }
  return {
    after,
    digest: hash.digest('hex'),
    restoreTo: (dir) => {
      mkdirSync(join(dir, 'data'), { recursive: true });
      for (const one of made) make(dir, one);
      writeJournal(join(dir, 'journal.db'), journal);
    },
  };
}

function* below({ folders, files, rootId }: Synced, id: number, at: string): Generator<Made> {
  for (const [name, entry] of folders.get(id) ?? []) {
    const path = join(at, name);
    if (entry.kind === 'link') yield { kind: 'link', path, target: entry.target, mode: 0 };
    else if (entry.kind === 'folder') {
      yield { kind: 'folder', path, mode: 0 };
      yield* below({ folders, files, rootId }, entry.id, path);
    } else yield { kind: 'file', path, bytes: Buffer.alloc(0), mode: 0o644, ...files.get(entry.id) };
  }
}

function dataOf(dir: string): Made[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => ({
      kind: 'file',
      path: join('data', name),
      bytes: readFileSync(join(dir, name)),
      mode: 0o644,
    }));
}

function make(dir: string, made: Made): void {
  const path = join(dir, made.path);
  if (made.kind === 'folder') mkdirSync(path);
  else if (made.kind === 'link') symlinkSync(made.target, path);
  else writeFileSync(path, made.bytes, { mode: made.mode });
}

interface JournalRows {
  readonly schema: readonly string[];
  readonly events: readonly Record<string, string | number>[];
  readonly fence: number;
}

function journalOf(file: string): JournalRows {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = database.prepare(`SELECT sql FROM sqlite_master WHERE type = 'table'`).all();
    const events = database.prepare('SELECT seq, order_id, event FROM events ORDER BY seq').all();
    const fence = database.prepare('SELECT highest FROM fence').get();
    return {
      schema: tables.map((row) => String(row['sql'])),
      events: events as JournalRows['events'],
      fence: Number(fence?.['highest'] ?? 0),
    };
  } finally {
    database.close();
  }
}

function writeJournal(file: string, { schema, events, fence }: JournalRows): void {
  const database = new DatabaseSync(file);
  for (const table of schema) database.exec(table);
  const insert = database.prepare('INSERT INTO events (seq, order_id, event) VALUES (?, ?, ?)');
  database.exec('BEGIN');
  for (const { seq = 0, order_id: order = '', event = '' } of events) insert.run(seq, order, event);
  database.prepare('INSERT INTO fence VALUES (1, ?)').run(fence);
  database.exec('COMMIT');
  database.close();
}
