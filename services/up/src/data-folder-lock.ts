import { reject, type Rejected } from '@lastcall/kernel';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/*
 * One data folder, one process. The lock is the operating system's, held through a SQLite file: it ends with the process,
 * however that ends, so there is nothing to clean up after a crash and no process id to misread.
 */

const SQLITE_BUSY = 5;

export interface DataFolderLock {
  release(): void;
}

export function lockDataFolder(dataDir: string): DataFolderLock | Rejected {
  const file = new DatabaseSync(join(dataDir, 'up.lock'), { timeout: 0 });
  try {
    file.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return { release: () => file.close() };
  } catch (error) {
    file.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    return reject(
      'refused',
      'DATA_FOLDER_IN_USE',
      `Another Lastcall is running on ${dataDir}. Stop it first, or name another folder with --data.`,
      { facts: { dataDir } },
    );
  }
}
