import { sha256Hex } from '@lastcall/kernel';
import { lstatSync } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { packFolder, unpackFolder, type Watch } from './backup/archive.js';
import { createChunkCipher, newEncryption, readBackupKeys, type ChunkCipher } from './backup/backup-key.js';
import {
  changed,
  readRecord,
  unknownPoint,
  withoutFiles,
  type BackupFile,
  type BackupRecord,
} from './backup/backup-record.js';
import { DamagedBytes, findDamage, listOf } from './backup/chunked-file.js';
import type { BackupEvidence } from './domain/order.js';
import {
  exists,
  hashFile,
  listFiles,
  moveDurably,
  removeFolder,
  syncFile,
  syncFolder,
  syncFolders,
  walkAtOnce,
  writeFileDurably,
} from './files.js';
import type { Layout } from './layout.js';
import { demandFreeBytes, Interrupted, statFreeBytes, StepFailure, type FreeBytes } from './step-failure.js';

/*
 * Restore points, `backups/<restore point>/`: one archive of what the application's backup command wrote, and `backup.json`, which says what it is and was.
 * Owns that a restore point is there only when it is complete, on the disk and proven, by one rename; that it is still
 * what it was before anything is restored from it; and that it goes by one rename. Restore points of older agents hold the files as they were written.
 */

export interface BackupsOptions {
  /** Keys to encrypt with and to open what was; absent: nothing is encrypted. */
  readonly keyFile?: string | undefined;
  readonly freeBytes?: FreeBytes;
}

export interface Sealing {
  /** The release's own command has accepted it; otherwise it is proven here. */
  readonly verified: boolean;
  readonly version: string;
  readonly takenAt: number;
}

export interface OpenBackup {
  readonly filesDir: string;
  readonly evidence: BackupEvidence;
  /** Gives back the space. */
  close(): Promise<void>;
}

/** `total` in bytes. */
export type OnBackupProgress = (done: number, total: number) => void;

export interface Backups {
  find(restorePoint: string): Promise<BackupEvidence | undefined>;
  /** An empty folder for the backup command. */
  begin(restorePoint: string): Promise<string>;
  /** The same folder for what follows. */
  beingTaken(restorePoint: string): string;
  /** What the backup command wrote is on the disk: before this it must not count as done. */
  keep(restorePoint: string): Promise<void>;
  /** Gives back the space of a backup that did not succeed, and of what is left of one that did. */
  discard(restorePoint: string): Promise<void>;
  /** Packs what was taken. Throws a StepFailure. */
  seal(restorePoint: string, how: Sealing, signal: AbortSignal, onProgress: OnBackupProgress): Promise<BackupEvidence>;
  /** Whether it could be restored now: undamaged, its key there, and room for it. Throws a StepFailure. */
  check(restorePoint: string, signal: AbortSignal): Promise<BackupEvidence>;
  /** Folder of the files, compared with what they were. Throws a StepFailure. */
  open(restorePoint: string, signal: AbortSignal, onProgress?: OnBackupProgress): Promise<OpenBackup>;
  /** What came of looking at it once more; one that is not proven any more does not count. */
  recordVerified(restorePoint: string, verified: boolean, at: number): Promise<BackupEvidence>;
  /** Never the newest proven one: throws a StepFailure, and the others are gone. */
  remove(restorePoints: readonly string[]): Promise<void>;
  /** Newest that was proven. */
  last(): Promise<BackupEvidence | undefined>;
}

const ARCHIVE = 'archive.tar.zst';

export function createBackups(layout: Layout, options: BackupsOptions = {}): Backups {
  const { freeBytes = statFreeBytes } = options;
  const folderOf = (restorePoint: string): string => join(layout.backups, restorePoint);
  // Names of restore points do not begin with a dot.
  const takingOf = (restorePoint: string): string => join(layout.backups, `.taking-${restorePoint}`);
  const sealingOf = (restorePoint: string): string => join(layout.backups, `.sealing-${restorePoint}`);
  const scratchOf = (restorePoint: string): string => join(layout.scratch, `restore-${restorePoint}`);
  const evidenceOf = (record: BackupRecord): BackupEvidence => withoutFiles(record, folderOf(record.restorePoint));
  const backups: Backups = {
    find: async (restorePoint) => {
      const record = await readRecord(folderOf(restorePoint), restorePoint);
      return record && evidenceOf(record);
    },
    begin: async (restorePoint) => {
      await backups.discard(restorePoint);
      const filesDir = backups.beingTaken(restorePoint);
      // One after the other: with both at once Node says of a disk that is read-only that the folder does not exist.
      for (const dir of [dirname(filesDir), filesDir]) await mkdir(dir, { mode: 0o700 });
      return filesDir;
    },
    beingTaken: (restorePoint) => join(takingOf(restorePoint), 'files'),
    keep: async (restorePoint) => {
      const filesDir = backups.beingTaken(restorePoint);
      for (const path of await listFiles(filesDir)) await syncRegularFile(join(filesDir, path));
      await syncFolders(takingOf(restorePoint));
      syncFolder(layout.backups);
    },
    discard: async (restorePoint) => {
      for (const dir of [takingOf(restorePoint), sealingOf(restorePoint)]) await removeFolder(dir);
      syncFolder(layout.backups);
    },
    seal: async (restorePoint, how, signal, onProgress) => {
      const filesDir = backups.beingTaken(restorePoint);
      const sealing = sealingOf(restorePoint);
      const sizeBytes = await bytesBelow(filesDir);
      demandFreeBytes(layout.backups, sizeBytes, freeBytes);
      await rm(sealing, { recursive: true, force: true });
      await mkdir(sealing, { mode: 0o700 });
      const total = how.verified ? sizeBytes : sizeBytes * 2;
      const watch = { signal, onBytes: (done: number) => onProgress(done, total) };
      const record = await pack(restorePoint, filesDir, sealing, how, options, watch);
      if (!how.verified) {
        const again = { signal, onBytes: (done: number) => onProgress(sizeBytes + done, total) };
        const files = await unpack(sealing, record, scratchOf(restorePoint), options, freeBytes, again);
        await files.close();
      }
      const proven = { ...record, verified: true, verifiedAt: how.takenAt };
      writeFileDurably(join(sealing, 'backup.json'), JSON.stringify(proven));
      await moveDurably(sealing, folderOf(restorePoint));
      await backups.discard(restorePoint);
      return evidenceOf(proven);
    },
    check: async (restorePoint, signal) => {
      const record = await demandRecord(restorePoint);
      if (!record.archive) await compare(join(folderOf(restorePoint), 'files'), record, signal);
      else {
        await cipherFor(record, options);
        demandFreeBytes(layout.scratch, record.sizeBytes, freeBytes);
        const damage = await findDamage(
          join(folderOf(restorePoint), record.archive.name),
          record.archive,
          signal,
        ).catch(orChanged(record, signal));
        if (damage.length > 0) throw changed(record, damage);
      }
      return evidenceOf(record);
    },
    open: async (restorePoint, signal, onProgress = () => undefined) => {
      const record = await demandRecord(restorePoint);
      const dir = folderOf(restorePoint);
      const evidence = evidenceOf(record);
      if (record.archive) {
        const watch = { signal, onBytes: (done: number) => onProgress(done, record.sizeBytes) };
        return { ...(await unpack(dir, record, scratchOf(restorePoint), options, freeBytes, watch)), evidence };
      }
      await compare(join(dir, 'files'), record, signal);
      return { filesDir: join(dir, 'files'), evidence, close: () => Promise.resolve() };
    },
    recordVerified: async (restorePoint, verified, at) => {
      const record = { ...(await demandRecord(restorePoint)), verified, ...(verified && { verifiedAt: at }) };
      writeFileDurably(join(folderOf(restorePoint), 'backup.json'), JSON.stringify(record));
      return evidenceOf(record);
    },
    remove: async (restorePoints) => {
      const newest = await backups.last();
      for (const restorePoint of restorePoints) {
        if (restorePoint !== newest?.restorePoint) await removeDurably(layout, folderOf(restorePoint), restorePoint);
      }
      if (newest === undefined || !restorePoints.includes(newest.restorePoint)) return;
      const message = `${newest.restorePoint} is the newest proven backup of this host and is not removed`;
      throw new StepFailure('BACKUP_IS_NEWEST', message, { restore_point: newest.restorePoint });
    },
    last: async () => {
      const names = (await readdir(layout.backups)).filter((name) => !name.startsWith('.'));
      // One that cannot be read is none, and must not hide the others.
      const found = await Promise.all(names.map((name) => backups.find(name).catch(() => undefined)));
      const proven = found.filter((b) => b !== undefined).filter((b) => b.verified);
      return proven.toSorted((a, b) => b.takenAt - a.takenAt)[0];
    },
  };
  const demandRecord = async (restorePoint: string): Promise<BackupRecord> => {
    const record = await readRecord(folderOf(restorePoint), restorePoint);
    if (record) return record;
    throw unknownPoint(restorePoint, await exists(folderOf(restorePoint)));
  };
  return backups;
}

async function bytesBelow(dir: string): Promise<number> {
  let bytes = 0;
  for await (const { path, isFolder } of walkAtOnce(dir)) if (!isFolder) bytes += lstatSync(path).size;
  return bytes;
}

/** A link has no bytes of its own, and may lead nowhere. */
async function syncRegularFile(path: string): Promise<void> {
  if ((await lstat(path)).isFile()) await syncFile(path);
}

async function pack(
  restorePoint: string,
  filesDir: string,
  sealing: string,
  { version, takenAt }: Sealing,
  { keyFile }: BackupsOptions,
  watch: Watch,
): Promise<BackupRecord> {
  const key = keyFile === undefined ? undefined : (await readBackupKeys(keyFile))[0];
  const encryption = key && newEncryption(key);
  const cipher = key && encryption && createChunkCipher(key, encryption, restorePoint);
  const name = encryption ? `${ARCHIVE}.enc` : ARCHIVE;
  const path = join(sealing, name);
  const { sizeBytes, fileCount, sha256, archive } = await packFolder(filesDir, path, cipher, watch);
  if (fileCount === 0) {
    const message = `the backup command wrote nothing into LASTCALL_BACKUP_DIR; there is nothing that could be restored`;
    throw new StepFailure('BACKUP_EMPTY', message, { restore_point: restorePoint });
  }
  for (const file of [path, listOf(path)]) await syncFile(file);
  const how = { name, ...archive, fileCount, ...(encryption && { encryption }) };
  return { restorePoint, sizeBytes, sha256, version, takenAt, verified: false, archive: how };
}

async function unpack(
  dir: string,
  record: BackupRecord,
  scratch: string,
  options: BackupsOptions,
  freeBytes: FreeBytes,
  watch: Watch,
): Promise<Omit<OpenBackup, 'evidence'>> {
  const { archive } = record;
  if (!archive) throw changed(record);
  const cipher = await cipherFor(record, options);
  const close = (): Promise<void> => removeFolder(scratch);
  await close();
  await mkdir(scratch, { mode: 0o700 });
  try {
    demandFreeBytes(scratch, record.sizeBytes, freeBytes);
    const sha256 = await unpackFolder(join(dir, archive.name), archive, scratch, cipher, watch).catch(
      orChanged(record, watch.signal),
    );
    if (sha256 !== record.sha256) throw changed(record);
  } catch (error) {
    await close();
    throw error;
  }
  return { filesDir: scratch, close };
}

/** What comes of reading an archive that is not as it was; a disk that fails is something else. */
function orChanged(record: BackupRecord, signal: AbortSignal): (error: unknown) => never {
  return (error) => {
    if (signal.aborted) throw new Interrupted();
    if (error instanceof DamagedBytes) throw changed(record, [error], error);
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (error instanceof StepFailure || (syscall !== undefined && code !== 'ENOENT')) throw error;
    throw changed(record, [], error);
  };
}

async function cipherFor(
  { restorePoint, archive }: BackupRecord,
  { keyFile }: BackupsOptions,
): Promise<ChunkCipher | undefined> {
  const encryption = archive?.encryption;
  if (!encryption) return undefined;
  const keys = keyFile === undefined ? [] : await readBackupKeys(keyFile);
  const key = keys.find(({ id }) => id === encryption.keyId);
  if (key) return createChunkCipher(key, encryption, restorePoint);
  const where = keyFile === undefined ? 'this host has no file of backup keys' : `${keyFile} has another one`;
  const message = `the backup ${restorePoint} is encrypted with the key ${encryption.keyId} and ${where}; put that key into the file that backupKeyFile in agent.json names`;
  throw new StepFailure('BACKUP_KEY_MISSING', message, { restore_point: restorePoint, key_id: encryption.keyId });
}

async function removeDurably(layout: Layout, folder: string, restorePoint: string): Promise<void> {
  const going = join(layout.backups, `.removed-${restorePoint}`);
  if (await exists(folder)) {
    await rm(going, { recursive: true, force: true });
    await rename(folder, going);
    syncFolder(layout.backups);
  }
  await rm(going, { recursive: true, force: true });
}

/** Over the sorted list of files (path, size, hash), one line each. */
export function digestOf(files: readonly BackupFile[]): string {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return sha256Hex(sorted.map((f) => `${f.path}\0${f.size}\0${f.sha256}\n`).join(''));
}

/** Files as an older agent has kept them. */
async function compare(dir: string, record: BackupRecord, signal: AbortSignal): Promise<void> {
  const found: BackupFile[] = [];
  for (const path of await listFiles(dir)) {
    const { sha256, bytes: size } = await hashFile(join(dir, path), signal);
    found.push({ path, size, sha256 });
  }
  if (digestOf(found) !== record.sha256) throw changed(record);
}
