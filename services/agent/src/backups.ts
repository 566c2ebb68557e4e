import { sha256Hex } from '@lastcall/kernel';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupEvidence } from './domain/order.js';
import {
  exists,
  hashFile,
  listFiles,
  moveDurably,
  syncFile,
  syncFolder,
  syncFolders,
  writeFileDurably,
} from './files.js';
import type { Layout } from './layout.js';
import { StepFailure } from './step-failure.js';

/*
 * Restore points, `backups/<restore point>/`: `files/` as the application's backup command wrote them, and `backup.json` with the list of their hashes.
 * Owns that a restore point is there only when it is complete, on the disk and proven, by one rename; and that it is still
 * what it was before anything is restored from it.
 */

export interface BackupFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

interface BackupRecord extends BackupEvidence {
  readonly files: readonly BackupFile[];
}

export interface Backups {
  find(restorePoint: string): Promise<BackupEvidence | undefined>;
  /** An empty folder for the backup command. */
  begin(restorePoint: string): Promise<string>;
  /** The same folder for what follows. */
  beingTaken(restorePoint: string): string;
  /** What the backup command wrote is on the disk: before this it must not count as done. */
  keep(restorePoint: string): Promise<void>;
  /** Gives back the space of a backup that did not succeed. */
  discard(restorePoint: string): Promise<void>;
  seal(
    restorePoint: string,
    evidence: { verified: boolean; version: string; takenAt: number },
  ): Promise<BackupEvidence>;
  /** Folder of the files, after their hashes were compared. Throws a StepFailure. */
  open(restorePoint: string, signal: AbortSignal): Promise<{ filesDir: string; evidence: BackupEvidence }>;
  /** Newest that was proven. */
  last(): Promise<BackupEvidence | undefined>;
}

export function createBackups(layout: Layout): Backups {
  const folderOf = (restorePoint: string): string => join(layout.backups, restorePoint);
  // Names of restore points do not begin with a dot.
  const takingOf = (restorePoint: string): string => join(layout.backups, `.taking-${restorePoint}`);
  const backups: Backups = {
    find: async (restorePoint) => toEvidence(await readRecord(folderOf(restorePoint))),
    begin: async (restorePoint) => {
      await rm(takingOf(restorePoint), { recursive: true, force: true });
      await mkdir(backups.beingTaken(restorePoint), { recursive: true, mode: 0o700 });
      return backups.beingTaken(restorePoint);
    },
    beingTaken: (restorePoint) => join(takingOf(restorePoint), 'files'),
    keep: async (restorePoint) => {
      const filesDir = backups.beingTaken(restorePoint);
      for (const path of await listFiles(filesDir)) await syncFile(join(filesDir, path));
      await syncFolders(takingOf(restorePoint));
      syncFolder(layout.backups);
    },
    discard: (restorePoint) => rm(takingOf(restorePoint), { recursive: true, force: true }),
    seal: async (restorePoint, more) => {
      const record = await describe(restorePoint, backups.beingTaken(restorePoint), more);
      writeFileDurably(join(takingOf(restorePoint), 'backup.json'), JSON.stringify(record));
      await moveDurably(takingOf(restorePoint), folderOf(restorePoint));
      return withoutFiles(record);
    },
    open: async (restorePoint, signal) => {
      const record = await readRecord(folderOf(restorePoint));
      if (!record) throw unknownPoint(restorePoint);
      const filesDir = join(folderOf(restorePoint), 'files');
      await compare(restorePoint, filesDir, record, signal);
      return { filesDir, evidence: withoutFiles(record) };
    },
    last: async () => {
      const names = (await readdir(layout.backups)).filter((name) => !name.startsWith('.'));
      const found = await Promise.all(names.map((name) => backups.find(name)));
      const proven = found.filter((b) => b !== undefined).filter((b) => b.verified);
      return proven.toSorted((a, b) => b.takenAt - a.takenAt)[0];
    },
  };
  return backups;
}

async function readRecord(dir: string): Promise<BackupRecord | undefined> {
  if (!(await exists(join(dir, 'backup.json')))) return undefined;
  return JSON.parse(await readFile(join(dir, 'backup.json'), 'utf8')) as BackupRecord;
}

function toEvidence(record: BackupRecord | undefined): BackupEvidence | undefined {
  return record && withoutFiles(record);
}

function withoutFiles({ files: _, ...evidence }: BackupRecord): BackupEvidence {
  return evidence;
}

async function describe(
  restorePoint: string,
  filesDir: string,
  more: { verified: boolean; version: string; takenAt: number },
): Promise<BackupRecord> {
  const files: BackupFile[] = [];
  for (const path of await listFiles(filesDir)) {
    await syncFile(join(filesDir, path));
    const { sha256, bytes: size } = await hashFile(join(filesDir, path));
    files.push({ path, size, sha256 });
  }
  if (files.length === 0) {
    const message = `the backup command wrote nothing into LASTCALL_BACKUP_DIR; there is nothing that could be restored`;
    throw new StepFailure('BACKUP_EMPTY', message, { restore_point: restorePoint });
  }
  await syncFolders(filesDir);
  const sizeBytes = files.reduce((sum, file) => sum + file.size, 0);
  return { restorePoint, sizeBytes, sha256: digestOf(files), ...more, files };
}

/** Over the sorted list of files (path, size, hash), one line each. */
export function digestOf(files: readonly BackupFile[]): string {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return sha256Hex(sorted.map((f) => `${f.path}\0${f.size}\0${f.sha256}\n`).join(''));
}

async function compare(restorePoint: string, dir: string, record: BackupRecord, signal: AbortSignal): Promise<void> {
  const found: BackupFile[] = [];
  for (const path of await listFiles(dir)) {
    const { sha256, bytes: size } = await hashFile(join(dir, path), signal);
    found.push({ path, size, sha256 });
  }
  if (digestOf(found) === record.sha256) return;
  const message = `the backup ${restorePoint} is not what it was when it was taken, so it is not restored`;
  throw new StepFailure('BACKUP_CHANGED', message, { restore_point: restorePoint, expected: record.sha256 });
}

function unknownPoint(restorePoint: string): StepFailure {
  const message = `there is no backup ${restorePoint} on this host`;
  return new StepFailure('BACKUP_NOT_FOUND', message, { restore_point: restorePoint });
}
