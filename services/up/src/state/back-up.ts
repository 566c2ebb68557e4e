import { reject, type Rejected } from '@lastcall/kernel';
import { link, mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { copyFile, hashFile, type Copied } from './copy-file.js';
import { DATABASES, isBlob, isKey, writeManifest, type BackupFile, type Manifest } from './manifest.js';
import { openSnapshot } from './snapshot.js';
import { writeWholeFolder } from './whole-folder.js';

/*
 * A backup of Lastcall's own state on one site, while it runs or not: the databases as they were at one moment, then the files
 * that they speak of. These are written before a database names them and removed days after the last one did, so what the
 * copies of the databases name is there.
 */

/** `copy`; `link`: hard links on the same disk, which need no room and no time, and are lost with it; `skip`. */
export type BlobsHow = 'copy' | 'link' | 'skip';

export interface BackUpOptions {
  readonly dataDir: string;
  /** A new or empty folder. */
  readonly to: string;
  /** Signing keys and credentials too: whoever has them is Lastcall to every host. Default false. */
  readonly keys?: boolean | undefined;
  readonly blobs?: BlobsHow | undefined;
  /** An earlier backup on the same disk: blobs that it has are linked, so that several backups need room for them once. */
  readonly blobsLike?: string | undefined;
}

export interface BackedUp {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly bytes: number;
}

export async function backUpState(options: BackUpOptions): Promise<BackedUp | Rejected> {
  const { keys = false, blobs = 'copy' } = options;
  const [dataDir, folder] = [resolve(options.dataDir), resolve(options.to)];
  const refused = (await refuseNoData(dataDir)) ?? refuseInside(dataDir, folder);
  if (refused) return refused;
  return writeWholeFolder(folder, async (draft) => {
    const { takenAt, files: databases } = await copyDatabases(dataDir, draft);
    const files = [...databases];
    for (const path of await filesToTake(dataDir, { keys, blobs })) {
      files.push({ path, ...(await take({ path, dataDir, draft, link: blobs === 'link', like: options.blobsLike })) });
    }
    const manifest: Manifest = { format: 1, takenAt, keys, blobs: blobs !== 'skip', files };
    await writeManifest(draft, manifest);
    return { folder, manifest, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
}

async function refuseNoData(dataDir: string): Promise<Rejected | undefined> {
  const names = new Set(await readdir(dataDir).catch(() => []));
  const missing = DATABASES.filter((name) => !names.has(name));
  if (missing.length === 0) return undefined;
  const message = `${dataDir} is no data folder of "lastcall up" (${missing.join(', ')} missing); name it with --data`;
  return reject('not-found', 'NO_DATA_FOLDER', message, { facts: { dataDir } });
}

function refuseInside(dataDir: string, folder: string): Rejected | undefined {
  if (!`${folder}/`.startsWith(`${dataDir}/`)) return undefined;
  const message = `${folder} is in the data folder that is to be backed up; name one outside, best on another disk`;
  return reject('refused', 'BACKUP_INSIDE_DATA', message, { facts: { folder, dataDir } });
}

async function copyDatabases(dataDir: string, draft: string): Promise<{ takenAt: string; files: BackupFile[] }> {
  const snapshot = await openSnapshot(DATABASES.map((name) => join(dataDir, name)));
  try {
    const files: BackupFile[] = [];
    for (const path of DATABASES) {
      const to = join(draft, path);
      await (await open(to, 'wx', 0o600)).close();
      await snapshot.copy(join(dataDir, path), to);
      await sync(to);
      files.push({ path, ...(await hashFile(to)) });
    }
    return { takenAt: new Date(snapshot.takenAt).toISOString(), files };
  } finally {
    snapshot.close();
  }
}

async function filesToTake(dataDir: string, wanted: { keys: boolean; blobs: BlobsHow }): Promise<string[]> {
  const found: string[] = [];
  for (const top of ['identity', 'catalog']) {
    const entries = await readdir(join(dataDir, top), { withFileTypes: true, recursive: true });
    for (const entry of entries) {
      if (!entry.isFile() || isUnfinished(entry.name, entry.parentPath)) continue;
      found.push(
        join(entry.parentPath, entry.name)
          .slice(dataDir.length + 1)
          .replaceAll('\\', '/'),
      );
    }
  }
  return found.filter((path) => (wanted.keys || !isKey(path)) && (wanted.blobs !== 'skip' || !isBlob(path)));
}

/** What somebody is about to write gets its name when it is whole. */
function isUnfinished(name: string, folder: string): boolean {
  return name.startsWith('.') || folder.endsWith(join('blobs', 'incoming')) || /\.[0-9a-f-]{36}$/.test(name);
}

interface Take {
  readonly path: string;
  readonly dataDir: string;
  readonly draft: string;
  readonly link: boolean;
  readonly like: string | undefined;
}

async function take({ path, dataDir, draft, link, like }: Take): Promise<Copied> {
  const [from, to] = [join(dataDir, path), join(draft, path)];
  if (!isBlob(path)) return copyFile(from, to);
  if (link) return linkFile(from, to);
  const earlier = like && join(like, path);
  if (!earlier || !(await areAlike(earlier, from))) return copyFile(from, to);
  // Not every disk has links, and one file has only so many.
  return linkFile(earlier, to).catch(() => copyFile(from, to));
}

async function areAlike(a: string, b: string): Promise<boolean> {
  const [found, wanted] = await Promise.all([stat(a).catch(() => undefined), stat(b)]);
  return found?.size === wanted.size;
}

async function linkFile(from: string, to: string): Promise<Copied> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    throw new Error('links need the backup on the disk of the data folder; take it with --blobs copy', {
      cause: error,
    });
  }
  // A blob is named by what is in it.
  return { bytes: (await stat(to)).size, sha256: to.slice(-64) };
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
