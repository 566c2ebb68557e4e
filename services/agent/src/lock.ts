import { reject, RejectedError } from '@lastcall/kernel';
import { DatabaseSync } from 'node:sqlite';
import type { Layout } from './layout.js';

/*
 * One process for each data folder. The lock is SQLite's own on a file beside the journal: the operating system drops it with the process
 * that holds it, however that ends, and it holds between containers that share the folder.
 */

export interface Lock {
  release(): void;
}

/** Takes the lock, or answers undefined when another process has it. */
export function tryLock(layout: Layout): Lock | undefined {
  const database = new DatabaseSync(layout.lock);
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (/locked/.test((error as Error).message)) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}

export function lock(layout: Layout): Lock {
  const taken = tryLock(layout);
  if (taken) return taken;
  const message = `Another lastcall-agent works on ${layout.root}; stop it first, or use another data folder.`;
  throw new RejectedError(reject('conflict', 'DATA_FOLDER_IN_USE', message));
}
