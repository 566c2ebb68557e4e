import { liftPublication } from '@lastcall/catalog';
import { isRejected, reject, type Rejected } from '@lastcall/kernel';
import { join, resolve } from 'node:path';
import { copyFile, hashFile } from './copy-file.js';
import { backupDamaged, isKey, readManifest, type BackupFile, type Manifest } from './manifest.js';
import { refuseTaken, writeWholeFolder } from './whole-folder.js';

/*
 * A data folder from a backup. Everything is read and compared before anything is written, and once more while it is copied;
 * the folder appears when it is whole. Numbers that hosts have seen go on beyond them. A folder with anything in it is refused, so a running Lastcall's is too.
 */

export interface RestoreOptions {
  readonly from: string;
  /** A new or empty folder. */
  readonly dataDir: string;
  /** A backup with keys, where `from` has none. */
  readonly keysFrom?: string | undefined;
  /** Without any keys: they are put there by hand before the start. */
  readonly withoutKeys?: boolean | undefined;
}

export interface Restored {
  readonly dataDir: string;
  readonly manifest: Manifest;
}

interface Source {
  readonly folder: string;
  readonly files: readonly BackupFile[];
}

export async function restoreState(options: RestoreOptions): Promise<Restored | Rejected> {
  const dataDir = resolve(options.dataDir);
  const taken = await refuseTaken(dataDir);
  if (taken) return taken;
  const manifest = await readManifest(resolve(options.from));
  if (isRejected(manifest)) return manifest;
  const sources = await sourcesOf(options, manifest);
  if (isRejected(sources)) return sources;
  return writeWholeFolder(dataDir, async (draft) => {
    const damage = await checkState(sources);
    if (damage) return damage;
    for (const { folder, files } of sources) {
      for (const file of files) {
        const copied = await copyFile(join(folder, file.path), join(draft, file.path));
        if (!isSame(file, copied)) return backupDamaged(folder, [`${file.path} was changed meanwhile`]);
      }
    }
    await liftPublication(join(draft, 'catalog'), Date.now());
    return { dataDir, manifest };
  });
}

/** What is in a backup, when every file of it is what was written. */
export async function checkBackup(folder: string): Promise<Manifest | Rejected> {
  const from = resolve(folder);
  const manifest = await readManifest(from);
  if (isRejected(manifest)) return manifest;
  return (await checkState([{ folder: from, files: manifest.files }])) ?? manifest;
}

/** Where each file comes from; without keys that were not asked for. */
async function sourcesOf(options: RestoreOptions, manifest: Manifest): Promise<readonly Source[] | Rejected> {
  const from = resolve(options.from);
  const own = { folder: from, files: manifest.files };
  if (manifest.keys || options.withoutKeys === true) return [own];
  if (options.keysFrom === undefined) return noKeys(from, 'has no keys');
  const folder = resolve(options.keysFrom);
  const other = await readManifest(folder);
  if (isRejected(other)) return other;
  if (!other.keys) return noKeys(folder, 'has no keys either');
  return [own, { folder, files: other.files.filter(({ path }) => isKey(path)) }];
}

function noKeys(folder: string, what: string): Rejected {
  const message =
    `the backup in ${folder} ${what}, and with new ones no host would believe this Lastcall. Name a backup with keys ` +
    'with --keys-from, or say --without-keys and put identity/ and catalog/tuf/keys/ there before the start.';
  return reject('refused', 'BACKUP_WITHOUT_KEYS', message, { facts: { folder } });
}

async function checkState(sources: readonly Source[]): Promise<Rejected | undefined> {
  for (const { folder, files } of sources) {
    const wrong: string[] = [];
    for (const file of files) {
      const found = await hashFile(join(folder, file.path)).catch(() => undefined);
      if (!found) wrong.push(`${file.path} cannot be read`);
      else if (!isSame(file, found)) wrong.push(`${file.path} is not what was written`);
    }
    if (wrong.length > 0) return backupDamaged(folder, wrong);
  }
  return undefined;
}

function isSame(file: BackupFile, found: Omit<BackupFile, 'path'>): boolean {
  return file.bytes === found.bytes && file.sha256 === found.sha256;
}
