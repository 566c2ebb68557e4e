import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupEvidence } from '../domain/order.js';
import { exists } from '../files.js';
import { StepFailure } from '../step-failure.js';
import type { Encryption } from './backup-key.js';
import type { ChunkedFile, DamagedBytes } from './chunked-file.js';

/*
 * `backup.json` of a restore point, and what is said when it and the bytes beside it are not what they were.
 */

export interface BackupFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export interface ArchiveRecord extends ChunkedFile {
  /** File beside the record. */
  readonly name: string;
  readonly fileCount: number;
  readonly encryption?: Encryption;
}

export interface BackupRecord extends BackupEvidence {
  readonly archive?: ArchiveRecord;
  /** Of agents before archives: the files lie in `files/`. */
  readonly files?: readonly BackupFile[];
}

/** Undefined where there is none. Throws BACKUP_CHANGED where it cannot be read. */
export async function readRecord(dir: string, restorePoint: string): Promise<BackupRecord | undefined> {
  const file = join(dir, 'backup.json');
  if (!(await exists(file))) return undefined;
  try {
    return JSON.parse(await readFile(file, 'utf8')) as BackupRecord;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const message = `the record of the backup ${restorePoint} (${file}) cannot be read, so it is not restored`;
    throw new StepFailure('BACKUP_CHANGED', message, { restore_point: restorePoint, path: file }, { cause });
  }
}

export function withoutFiles({ files, archive, ...evidence }: BackupRecord, folder: string): BackupEvidence {
  const keyId = archive?.encryption?.keyId;
  const storedBytes = archive?.bytes ?? (files && evidence.sizeBytes);
  return { ...evidence, folder, ...(storedBytes !== undefined && { storedBytes }), ...(keyId && { keyId }) };
}

const SHOWN_PLACES = 10;

export function changed(
  { restorePoint, sha256, archive }: BackupRecord,
  damage: readonly DamagedBytes[] = [],
  cause?: unknown,
): StepFailure {
  const shown = damage.slice(0, SHOWN_PLACES).map(({ from, to }) => `${from}-${to}`);
  const more = damage.length > shown.length ? ` and ${damage.length - shown.length} more` : '';
  const where = shown.length === 0 ? '' : ` (damaged in ${archive?.name}: bytes ${shown.join(', ')}${more})`;
  const message = `the backup ${restorePoint} is not what it was when it was taken${where}, so it is not restored`;
  const facts = { restore_point: restorePoint, expected: sha256 };
  const places = shown.length > 0 && { damaged_bytes: shown.join(','), damaged_parts: String(damage.length) };
  return new StepFailure('BACKUP_CHANGED', message, { ...facts, ...places }, { cause });
}

export function unknownPoint(restorePoint: string, isThere: boolean): StepFailure {
  const facts = { restore_point: restorePoint };
  if (!isThere) return new StepFailure('BACKUP_NOT_FOUND', `there is no backup ${restorePoint} on this host`, facts);
  const message = `the backup ${restorePoint} has lost its record (backup.json), so it is not restored`;
  return new StepFailure('BACKUP_CHANGED', message, facts);
}
