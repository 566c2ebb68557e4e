import { SCHEMA, VERSION } from '../release.js';
import { restoreBackup, takeBackup, verifyBackup } from './backup.js';
import { migrate, openDatabase } from './database.js';
import { health, start, stop } from './process.js';
import { serve } from './serve.js';

/*
 * `node encore.js COMMAND`: everything that the manifest calls, and `serve`, the server itself.
 */

function need(name: string): string {
  const value = process.env[name] ?? '';
  if (value === '') throw new Error(`${name} is not set`);
  return value;
}

const dataDir = (): string => need('LASTCALL_DATA_DIR');
const backupDir = (): string => need('LASTCALL_BACKUP_DIR');
const port = (): number => Number(need('ENCORE_PORT'));

const COMMANDS: Readonly<Record<string, () => void | Promise<void>>> = {
  serve: () => serve(dataDir(), port()),
  start: () => start(dataDir(), port()),
  stop: () => stop(dataDir()),
  health: () => health(port()),
  migrate: () => {
    const database = openDatabase(dataDir());
    migrate(database, SCHEMA);
    database.close();
  },
  backup: () => takeBackup(dataDir(), backupDir()),
  'verify-backup': () => verifyBackup(backupDir()),
  restore: () => restoreBackup(dataDir(), backupDir()),
};

async function main(): Promise<void> {
  const command = COMMANDS[process.argv[2] ?? ''];
  if (!command) throw new Error(`Encore ${VERSION}: node encore.js ${Object.keys(COMMANDS).join('|')}`);
  await command();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
