import { copyFileSync, existsSync, fsyncSync, closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { databaseFile, openDatabase } from './database.js';

/*
 * The data into a folder and back. The backup is SQLite's own online backup: it is whole although the server is running.
 */

export async function takeBackup(dataDir: string, backupDir: string): Promise<void> {
  mkdirSync(backupDir, { recursive: true });
  const database = openDatabase(dataDir);
  try {
    await backup(database, databaseFile(backupDir));
  } finally {
    database.close();
  }
}

export function verifyBackup(backupDir: string): void {
  const file = databaseFile(backupDir);
  if (!existsSync(file)) throw new Error(`${file} is missing`);
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const found = database.prepare('PRAGMA integrity_check').get()?.['integrity_check'];
    if (found !== 'ok') throw new Error(`${file}: ${String(found)}`);
    database.prepare('SELECT count(*) FROM bookings').get();
  } finally {
    database.close();
  }
}

/** The server must be stopped. The file is replaced in one step; what SQLite kept beside the old one goes first. */
export function restoreBackup(dataDir: string, backupDir: string): void {
  verifyBackup(backupDir);
  mkdirSync(dataDir, { recursive: true });
  const target = databaseFile(dataDir);
  const beside = `${target}.restore`;
  copyFileSync(databaseFile(backupDir), beside);
  const handle = openSync(beside, 'r+');
  fsyncSync(handle);
  closeSync(handle);
  for (const suffix of ['-wal', '-shm']) rmSync(`${target}${suffix}`, { force: true });
  renameSync(beside, target);
}
