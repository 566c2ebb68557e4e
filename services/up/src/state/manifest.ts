import { reject, sha256Hex, type Rejected } from '@lastcall/kernel';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/*
 * What a backup of Lastcall's own state has in it: `backup.json`, and `backup.json.sha256` as `sha256sum` writes it. Owns which
 * paths may be in one: those of a data folder, so that a restore writes nowhere else.
 */

export const MANIFEST = 'backup.json';
const MANIFEST_SUM = `${MANIFEST}.sha256`;

/** The databases of `lastcall up`. All of them belong to one moment, so a backup has all of them. */
export const DATABASES = ['bus', 'catalog', 'scheduler', 'preflight', 'session', 'installer'].map((n) => `${n}.db`);

export interface BackupFile {
  /** Below the data folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly format: 1;
  /** RFC 3339, UTC: the moment that the databases are of. */
  readonly takenAt: string;
  /** Whether signing keys and credentials are in it. */
  readonly keys: boolean;
  /** Whether the blobs of the releases are in it. */
  readonly blobs: boolean;
  readonly files: readonly BackupFile[];
}

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = `${JSON.stringify(manifest, null, 1)}\n`;
  await writeFile(join(folder, MANIFEST), text, { mode: 0o600, flush: true });
  await writeFile(join(folder, MANIFEST_SUM), `${sha256Hex(text)}  ${MANIFEST}\n`, { mode: 0o600, flush: true });
}

/** Whether both of its files are there: so is everything else then, for a backup gets its name when it is whole. */
export async function hasManifest(folder: string): Promise<boolean> {
  const files = [MANIFEST, MANIFEST_SUM].map((name) => access(join(folder, name)));
  return Promise.all(files).then(
    () => true,
    () => false,
  );
}

export async function readManifest(folder: string): Promise<Manifest | Rejected> {
  const [bytes, sum] = await Promise.all([read(join(folder, MANIFEST)), read(join(folder, MANIFEST_SUM))]);
  if (bytes === undefined || sum === undefined) {
    return reject('refused', 'NO_BACKUP', `${folder} has no backup of "lastcall state backup" in it; name its folder`);
  }
  if (sum.subarray(0, 64).toString() !== sha256Hex(bytes)) {
    return backupDamaged(folder, [`${MANIFEST} is not what was written`]);
  }
  const manifest = JSON.parse(bytes.toString('utf8')) as Manifest;
  if ((manifest.format as number) !== 1) {
    const format = String(manifest.format);
    return reject(
      'refused',
      'NEWER_BACKUP',
      `${folder} was written by a newer Lastcall (format ${format}); use that one`,
    );
  }
  const wrong = [...missing(manifest), ...manifest.files.filter(({ path }) => !isOurs(path)).map(({ path }) => path)];
  return wrong.length === 0
    ? manifest
    : backupDamaged(
        folder,
        wrong.map((path) => `${path} is missing or does not belong there`),
      );
}

export function backupDamaged(folder: string, what: readonly string[]): Rejected {
  const shown = what.slice(0, 5).join('; ') + (what.length > 5 ? `; and ${what.length - 5} more` : '');
  const message = `the backup in ${folder} is damaged, and nothing was written: ${shown}. Take another one.`;
  return reject('refused', 'BACKUP_DAMAGED', message, { facts: { folder, files: String(what.length) } });
}

export function isKey(path: string): boolean {
  return /^(identity|catalog\/tuf\/keys)\//.test(path);
}

export function isBlob(path: string): boolean {
  return path.startsWith('catalog/blobs/');
}

function missing({ files }: Manifest): string[] {
  const there = new Set(files.map(({ path }) => path));
  return DATABASES.filter((path) => !there.has(path));
}

function isOurs(path: string): boolean {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part.startsWith('.') || part.includes('\\'))) return false;
  return DATABASES.includes(path) || (parts.length > 1 && (parts[0] === 'identity' || parts[0] === 'catalog'));
}

async function read(file: string): Promise<Buffer | undefined> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}
