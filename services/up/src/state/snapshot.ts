import { Fault } from '@lastcall/kernel';
import { backup, DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { setImmediate as nextTurn } from 'node:timers/promises';

/*
 * Several SQLite files as they were at one moment, while another process writes to them. Each is opened for reading, which
 * SQLite gives one state of it for as long as it is read. That all of them began at the same moment is seen afterwards: none
 * was written between the first look and the last. If one was, they begin again, which takes microseconds.
 *
 * So the copies are what a power cut at that moment would have left, and Lastcall starts from them as it does after one.
 */

const PATIENCE_MS = 30_000;
/** Pages that are copied before others have their turn: 4 MiB. */
const PAGES_AT_ONCE = 1_024;

interface OpenFile {
  readonly file: string;
  /** Holds the state that is copied. */
  readonly reader: DatabaseSync;
  /** Sees what others write meanwhile. */
  readonly watch: DatabaseSync;
}

export interface Snapshot {
  /** When it was, milliseconds since the epoch, by the clock of this machine. */
  readonly takenAt: number;
  /** Copies that file as it was then into a new one. */
  copy(file: string, to: string): Promise<void>;
  close(): void;
}

/** Throws a Fault when a file cannot be read, or when they are written without a pause for half a minute. */
export async function openSnapshot(files: readonly string[]): Promise<Snapshot> {
  const open: OpenFile[] = [];
  const close = (): void => open.splice(0).forEach(({ reader, watch }) => [reader, watch].forEach((db) => db.close()));
  try {
    for (const file of files) open.push({ file, reader: openForReading(file), watch: openForReading(file) });
    const takenAt = await beginTogether(open);
    return { takenAt, close, copy: (file, to) => copyOut(open.find((one) => one.file === file)!.reader, to) };
  } catch (error) {
    close();
    throw error;
  }
}

function openForReading(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { readOnly: true, timeout: 1_000 });
  } catch (cause) {
    throw new Fault(`the database ${file} cannot be read`, { cause });
  }
}

async function beginTogether(open: readonly OpenFile[]): Promise<number> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  do {
    const before = open.map(versionOf).join();
    for (const { reader } of open) reader.exec('BEGIN; SELECT count(*) FROM sqlite_schema');
    const takenAt = Date.now();
    if (open.map(versionOf).join() === before) return takenAt;
    for (const { reader } of open) reader.exec('ROLLBACK');
    await nextTurn();
  } while (performance.now() < giveUpAt);
  throw new Fault('the databases are written without a pause; take the backup when less is going on');
}

/** Changes whenever another connection has written the file. */
function versionOf({ watch }: OpenFile): unknown {
  return watch.prepare('PRAGMA data_version').get()?.['data_version'];
}

async function copyOut(reader: DatabaseSync, to: string): Promise<void> {
  await backup(reader, to, { rate: PAGES_AT_ONCE });
  // As it is: no log and no index are put beside it.
  const copy = new DatabaseSync(new URL(`${pathToFileURL(to).href}?immutable=1`), { readOnly: true });
  try {
    const found = copy.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (found !== 'ok') throw new Fault(`the copy ${to} is damaged: ${String(found)}; look at the disk it came from`);
  } finally {
    copy.close();
  }
}
