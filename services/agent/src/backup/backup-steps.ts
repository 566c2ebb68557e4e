import { gt } from 'semver';
import type { CommandTarget } from '../commands/release-commands.js';
import type { BackupEvidence } from '../domain/order.js';
import { folderBytes } from '../files.js';
import type { Release } from '../releases.js';
import { backupBytesNeeded } from './backup-space.js';
import { loadTarget, restorePointOf, scopeOf, targetOf, type StepContext, type StepParts } from '../step-context.js';
import { demandFreeBytes, Interrupted, orDiskFull, StepFailure } from '../step-failure.js';

/*
 * The steps of orders that are about restore points. A backup is taken by the release's own command into a folder, looked at by the release's own proof, packed,
 * and, where the release has no proof, brought back and compared. A restore is given a folder again.
 */

export async function takeBackup(parts: StepParts, context: StepContext): Promise<void> {
  const { layout, backups, record } = parts;
  const restorePoint = restorePointOf(context.state.order.action);
  if (await backups.find(restorePoint)) return;
  const release = await loadTarget(parts, context.state.order.action);
  const needed = backupBytesNeeded(await folderBytes(layout.data), hasProof(parts, release));
  demandFreeBytes(layout.backups, needed, parts.freeBytes);
  const target = backupTarget(parts, release, restorePoint, await backups.begin(restorePoint));
  if (await orDiscard(parts, restorePoint, parts.commands.run('backup', target, scopeOf(context)))) {
    return orDiscard(parts, restorePoint, backups.keep(restorePoint));
  }
  await backups.discard(restorePoint);
  const message = `version ${release.version} has no backup command for the role ${record.role}`;
  throw new StepFailure('NO_BACKUP_COMMAND', message, { version: release.version });
}

function hasProof({ record }: StepParts, release: Release): boolean {
  return release.manifest.commands[record.role]?.verifyBackup !== undefined;
}

/** The release's own proof. */
export async function proveBackup(parts: StepParts, context: StepContext): Promise<void> {
  const restorePoint = restorePointOf(context.state.order.action);
  if (await parts.backups.find(restorePoint)) return;
  const release = await loadTarget(parts, context.state.order.action);
  const target = backupTarget(parts, release, restorePoint, parts.backups.beingTaken(restorePoint));
  await orDiscard(parts, restorePoint, parts.commands.run('verifyBackup', target, scopeOf(context)));
}

export async function sealBackup(parts: StepParts, context: StepContext): Promise<BackupEvidence> {
  const { backups } = parts;
  const restorePoint = restorePointOf(context.state.order.action);
  const there = await backups.find(restorePoint);
  if (there) {
    // A crash may have left what it was made from.
    await backups.discard(restorePoint);
    return there;
  }
  const release = await loadTarget(parts, context.state.order.action);
  const how = { verified: hasProof(parts, release), version: release.version, takenAt: Date.now() };
  return orDiscard(parts, restorePoint, backups.seal(restorePoint, how, context.signal, context.onProgress));
}

/** A backup that failed takes up space that the next one needs. One that was interrupted is begun anew anyway. */
async function orDiscard<T>(
  { backups, layout, freeBytes }: StepParts,
  restorePoint: string,
  work: Promise<T>,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const told = orDiskFull(error, layout.backups, freeBytes);
    // What cannot be removed either (a disk that is gone) must not hide why it failed.
    if (!(error instanceof Interrupted)) await backups.discard(restorePoint).catch(() => undefined);
    throw told;
  }
}

function backupTarget(parts: StepParts, release: Release, restorePoint: string, filesDir: string): CommandTarget {
  const more = { LASTCALL_BACKUP_DIR: filesDir, LASTCALL_RESTORE_POINT: restorePoint };
  return targetOf(parts, release, release.version, more);
}

/** Before anything is stopped. */
export async function checkRestorePoint(parts: StepParts, { state, signal }: StepContext): Promise<void> {
  const restorePoint = restorePointOf(state.order.action);
  if (restorePoint === '') return;
  const { version } = await parts.backups.check(restorePoint, signal);
  const target = await loadTarget(parts, state.order.action);
  if (!gt(version, target.version)) return;
  const message = `the backup ${restorePoint} is of version ${version}; version ${target.version} cannot use it`;
  throw new StepFailure('BACKUP_TOO_NEW', message, { restore_point: restorePoint, version });
}

export async function restoreData(parts: StepParts, context: StepContext): Promise<boolean> {
  if (context.state.dataUntouched) return false;
  const { action } = context.state.order;
  const restorePoint = restorePointOf(action);
  const release = await loadTarget(parts, action);
  const opened = await parts.backups.open(restorePoint, context.signal, context.onProgress);
  try {
    const more = { LASTCALL_BACKUP_DIR: opened.filesDir, LASTCALL_RESTORE_POINT: restorePoint };
    const target = targetOf(parts, release, context.state.fromVersion, more);
    if (await parts.commands.run('restore', target, scopeOf(context))) return true;
  } finally {
    await opened.close();
  }
  const message = `version ${release.version} has no restore command for the role ${parts.record.role}`;
  throw new StepFailure('NO_RESTORE_COMMAND', message, { version: release.version });
}

/** Brought back into a scratch folder and compared; the release that made it looks at it too. What fails does not count any more. */
export async function verifyBackup(parts: StepParts, context: StepContext): Promise<BackupEvidence> {
  const restorePoint = restorePointOf(context.state.order.action);
  try {
    await readBack(parts, restorePoint, context);
  } catch (error) {
    const isBad = error instanceof StepFailure && /^(BACKUP_CHANGED|COMMAND_)/.test(error.failure.reason);
    // Its record may be what is damaged.
    if (isBad) await parts.backups.recordVerified(restorePoint, false, Date.now()).catch(() => undefined);
    throw error;
  }
  return parts.backups.recordVerified(restorePoint, true, Date.now());
}

async function readBack(parts: StepParts, restorePoint: string, context: StepContext): Promise<void> {
  const opened = await parts.backups.open(restorePoint, context.signal, context.onProgress);
  try {
    const installed = await parts.releases.installedVersion();
    if (installed === '' || installed !== opened.evidence.version) return;
    const target = backupTarget(parts, await parts.releases.load(installed), restorePoint, opened.filesDir);
    await parts.commands.run('verifyBackup', target, scopeOf(context));
  } finally {
    await opened.close();
  }
}

export async function removeBackups(parts: StepParts, { state }: StepContext): Promise<void> {
  const { action } = state.order;
  if (action.kind === 'delete-backups') await parts.backups.remove(action.restorePoints);
}
