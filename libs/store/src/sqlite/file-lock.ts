import { Fault } from '@lastcall/kernel';
import { DatabaseSync } from 'node:sqlite';
import { isSqliteError, sqliteFault } from './sqlite-faults.js';

/*
 * A database file belongs to one process: two that decide from what they remember would undo each other's work. The
 * owner holds a lock of the operating system on `{file}.lock`, which ends with the process however it ends. It is a file
 * of its own so that others may still read the database, for a backup or a look.
 */

export interface FileLock {
  release(): void;
}

export function lockFile(file: string): FileLock {
  const lock = `${file}.lock`;
  try {
    const db = new DatabaseSync(lock);
    try {
      db.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    } catch (error) {
      db.close();
      throw error;
    }
    return { release: () => db.close() };
  } catch (cause) {
    if (isSqliteError(cause) && (cause.errcode & 0xff) === 5) throw inUse(file, cause);
    throw sqliteFault(lock, cause);
  }
}

function inUse(file: string, cause: unknown): Fault {
  return new Fault(
    `the database ${file} is in use by another Lastcall process, and it belongs to one at a time; ` +
      `stop that process, or start this one with another data folder`,
    { cause },
  );
}
