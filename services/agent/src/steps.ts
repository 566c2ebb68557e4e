import { gt } from 'semver';

import type { CommandScope, CommandTarget, ReleaseCommands } from './commands/release-commands.js';
import type { OldProcesses } from './commands/old-processes.js';
import type { RunningOrder } from './domain/order-book.js';
import {
  AGENT_PRODUCT,
  type BackupEvidence,
  type Evidence,
  type LeftOver,
  type OrderAction,
  type Step,
} from './domain/order.js';
import { folderBytes } from './files.js';
import { collectFacts, type FactsParts } from './facts/collect-facts.js';
import type { ProgramSteps } from './program/program-steps.js';
import { stagedChanged, type Release } from './releases.js';
import type { OnProgress, Staging } from './staging.js';
import { demandFreeBytes, Interrupted, orDiskFull, StepFailure } from './step-failure.js';

/*
 * What each step does on this host. Every step can be done again after it was broken off anywhere: it looks at what is there, not at what it
 * remembers. Which release's command runs: `stop` is that of the version which is current at that moment, everything after the swap that of the
 * version which the order leads to.
 */

export interface StepParts extends FactsParts {
  readonly staging: Staging;
  readonly commands: ReleaseCommands;
  readonly oldProcesses: OldProcesses;
  readonly program: ProgramSteps;
}

export interface StepContext {
  readonly state: RunningOrder;
  readonly step: Step;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

export interface StepOutcome {
  readonly dataChanged?: boolean;
  readonly evidence?: Evidence;
  readonly leftOvers?: readonly LeftOver[];
}

export type Steps = (context: StepContext) => Promise<StepOutcome>;

export function createSteps(parts: StepParts): Steps {
  return async (context) => {
    const { action } = context.state.order;
    switch (context.step) {
      case 'facts':
        return {
          evidence: { kind: 'facts', facts: await collectFacts(parts, versionOf(action), factsScope(context)) },
        };
      case 'metadata':
      case 'download':
      case 'build':
        return runStagingStep(parts, context);
      case 'try-out':
        return nothing(parts.program.tryOut(versionOf(action), programScope(context)));
      case 'take-over':
        return nothing(parts.program.takeOver(versionOf(action), programScope(context)));
      case 'backup':
        return nothing(takeBackup(parts, context));
      case 'prove':
        return nothing(proveBackup(parts, context));
      case 'seal':
        return { evidence: { kind: 'backup', backup: await sealBackup(parts, context) } };
      case 'verify':
        return nothing(verifyStaged(parts, context));
      case 'clear':
        return clearProcesses(parts, context);
      case 'settle':
        return nothing(watchHealth(parts, context));
      case 'swap':
        return nothing(parts.releases.swapTo(versionOf(action)));
      case 'restore':
        return { dataChanged: await restoreData(parts, context) };
      case 'first-start':
        return nothing(startClientOnce(parts, context));
      case 'stop':
      case 'migrate':
      case 'start':
      case 'health':
        return runServiceStep(parts, context);
    }
  };
}

/** The same for releases of the application and of the agent, each in folders of its own. */
async function runStagingStep(
  parts: StepParts,
  { state, step, signal, onProgress }: StepContext,
): Promise<StepOutcome> {
  const { action } = state.order;
  const version = versionOf(action);
  const isAgent = action.kind === 'update-agent';
  const staging = isAgent ? await parts.program.folder.openStaging() : parts.staging;
  if (step === 'metadata')
    return nothing(staging.fetchTexts(isAgent ? AGENT_PRODUCT : parts.record.product, version, signal));
  if (step === 'download') return { evidence: await staging.downloadFiles(version, signal, onProgress) };
  return nothing(staging.buildTree(version, signal));
}

function factsScope({ state, step, signal }: StepContext): CommandScope {
  return { order: state.order.order, step, signal };
}

function programScope({ state, signal }: StepContext) {
  return { order: state.order.order, signal };
}

async function nothing(work: Promise<unknown>): Promise<StepOutcome> {
  await work;
  return {};
}

function versionOf(action: OrderAction): string {
  return 'version' in action ? action.version : '';
}

function restorePointOf(action: OrderAction): string {
  return 'restorePoint' in action ? action.restorePoint : '';
}

function scopeOf({ state, step, signal }: StepContext): CommandScope {
  return { order: state.order.order, step, signal };
}

function targetOf(
  parts: StepParts,
  release: Release,
  fromVersion: string,
  more: Record<string, string> = {},
): CommandTarget {
  return { release, treeDir: parts.releases.treeOf(release.version), fromVersion, more };
}

/** The version that the order is about: its own, or the installed one for orders that name none. */
async function loadTarget({ releases }: StepParts, action: OrderAction): Promise<Release> {
  const version = versionOf(action) || (await releases.installedVersion());
  if (version === '') throw new StepFailure('NOT_INSTALLED', 'no version is installed on this host');
  return releases.load(version);
}

async function verifyStaged({ releases }: StepParts, { state, signal }: StepContext): Promise<void> {
  const release = await releases.load(versionOf(state.order.action));
  const isCurrent = (await releases.installedVersion()) === release.version;
  const changes = await releases.findChanges(release, !isCurrent, signal);
  if (changes.length > 0) throw stagedChanged(release.version, changes);
}

async function runServiceStep(parts: StepParts, context: StepContext): Promise<StepOutcome> {
  const { action } = context.state.order;
  const scope = scopeOf(context);
  if (context.step === 'stop') return nothing(stopCurrent(parts, context));
  const release = await loadTarget(parts, action);
  const target = targetOf(parts, release, context.state.fromVersion);
  switch (context.step) {
    case 'migrate':
      return { dataChanged: await migrate(parts, context, target) };
    case 'start':
      return nothing(parts.commands.run('start', target, scope));
    default:
      return nothing(parts.commands.waitUntilHealthy(target, scope));
  }
}

/** Data that was restored may be older than the version that is going to use it; an install always migrates. */
async function migrate(parts: StepParts, context: StepContext, target: CommandTarget): Promise<boolean> {
  const { action } = context.state.order;
  const restores = action.kind === 'restore-backup' || action.kind === 'downgrade-release';
  if (!restores) return parts.commands.run('migrate', target, scopeOf(context));
  const backup = await parts.backups.find(action.restorePoint);
  const fromVersion = backup?.version ?? '';
  if (fromVersion === target.release.version) return false;
  return parts.commands.run('migrate', { ...target, fromVersion }, scopeOf(context));
}

async function stopCurrent(parts: StepParts, context: StepContext): Promise<void> {
  const { action } = context.state.order;
  // Before anything is touched: is there what the order leads to, and what it restores?
  if (action.kind === 'roll-back-release') await parts.releases.load(action.version);
  await checkRestorePoint(parts, context);
  const installed = await parts.releases.installedVersion();
  if (installed === '') return;
  const stop = (release: Release) =>
    parts.commands.run('stop', targetOf(parts, release, context.state.fromVersion), scopeOf(context));
  try {
    await stop(await parts.releases.load(installed));
  } catch (error) {
    // The way back must not depend on the release that failed: the old one knows how to stop the application too.
    if (action.kind !== 'roll-back-release' || action.version === installed || !(error instanceof StepFailure))
      throw error;
    await stop(await parts.releases.load(action.version));
  }
}

async function clearProcesses({ oldProcesses }: StepParts, { signal }: StepContext): Promise<StepOutcome> {
  const leftOvers = await oldProcesses.end(signal);
  return leftOvers.length > 0 ? { leftOvers } : {};
}

async function watchHealth(parts: StepParts, context: StepContext): Promise<void> {
  const { action } = context.state.order;
  if (action.kind !== 'watch-health') return;
  const installed = await demandInstalled(parts, action.version);
  const target = targetOf(parts, await parts.releases.load(installed), installed);
  await parts.commands.watchHealth(target, action.durationMs, scopeOf(context));
}

async function demandInstalled({ releases }: StepParts, version: string): Promise<string> {
  const installed = await releases.installedVersion();
  if (installed === version) return installed;
  const message = `this host has version ${installed || 'none'}, and the order is about ${version}`;
  throw new StepFailure('WRONG_VERSION', message, { installed, version });
}

async function checkRestorePoint(parts: StepParts, { state, signal }: StepContext): Promise<void> {
  const restorePoint = restorePointOf(state.order.action);
  if (restorePoint === '') return;
  const { evidence } = await parts.backups.open(restorePoint, signal);
  const target = await loadTarget(parts, state.order.action);
  if (!gt(evidence.version, target.version)) return;
  const message = `the backup ${restorePoint} is of version ${evidence.version}; version ${target.version} cannot use it`;
  throw new StepFailure('BACKUP_TOO_NEW', message, { restore_point: restorePoint, version: evidence.version });
}

async function restoreData(parts: StepParts, context: StepContext): Promise<boolean> {
  if (context.state.dataUntouched) return false;
  const { action } = context.state.order;
  const restorePoint = restorePointOf(action);
  const release = await loadTarget(parts, action);
  const { filesDir } = await parts.backups.open(restorePoint, context.signal);
  const more = { LASTCALL_BACKUP_DIR: filesDir, LASTCALL_RESTORE_POINT: restorePoint };
  const target = targetOf(parts, release, context.state.fromVersion, more);
  if (await parts.commands.run('restore', target, scopeOf(context))) return true;
  const message = `version ${release.version} has no restore command for the role ${parts.record.role}`;
  throw new StepFailure('NO_RESTORE_COMMAND', message, { version: release.version });
}

async function takeBackup(parts: StepParts, context: StepContext): Promise<void> {
  const { layout, backups, record } = parts;
  const restorePoint = restorePointOf(context.state.order.action);
  if (await backups.find(restorePoint)) return;
  const release = await loadTarget(parts, context.state.order.action);
  demandFreeBytes(layout.backups, await folderBytes(layout.data), parts.freeBytes);
  const target = backupTarget(parts, release, restorePoint, await backups.begin(restorePoint));
  if (await orDiscard(parts, restorePoint, parts.commands.run('backup', target, scopeOf(context)))) {
    return backups.keep(restorePoint);
  }
  await backups.discard(restorePoint);
  const message = `version ${release.version} has no backup command for the role ${record.role}`;
  throw new StepFailure('NO_BACKUP_COMMAND', message, { version: release.version });
}

/** The release's own proof. Without such a command the backup counts as not proven. */
async function proveBackup(parts: StepParts, context: StepContext): Promise<void> {
  const restorePoint = restorePointOf(context.state.order.action);
  if (await parts.backups.find(restorePoint)) return;
  const release = await loadTarget(parts, context.state.order.action);
  const target = backupTarget(parts, release, restorePoint, parts.backups.beingTaken(restorePoint));
  await orDiscard(parts, restorePoint, parts.commands.run('verifyBackup', target, scopeOf(context)));
}

async function sealBackup(parts: StepParts, { state }: StepContext): Promise<BackupEvidence> {
  const restorePoint = restorePointOf(state.order.action);
  const there = await parts.backups.find(restorePoint);
  if (there) return there;
  const release = await loadTarget(parts, state.order.action);
  const verified = release.manifest.commands[parts.record.role]?.verifyBackup !== undefined;
  const more = { verified, version: release.version, takenAt: Date.now() };
  return orDiscard(parts, restorePoint, parts.backups.seal(restorePoint, more));
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
    if (!(error instanceof Interrupted)) await backups.discard(restorePoint);
    throw told;
  }
}

function backupTarget(parts: StepParts, release: Release, restorePoint: string, filesDir: string): CommandTarget {
  const more = { LASTCALL_BACKUP_DIR: filesDir, LASTCALL_RESTORE_POINT: restorePoint };
  return targetOf(parts, release, release.version, more);
}

async function startClientOnce(parts: StepParts, context: StepContext): Promise<void> {
  const { action } = context.state.order;
  if (action.kind !== 'start-client-once') return;
  const installed = await demandInstalled(parts, action.version);
  const release = await parts.releases.load(installed);
  const target = targetOf(parts, release, installed, { LASTCALL_FIRST_START_CODE: action.code });
  if (await parts.commands.run('firstStart', target, scopeOf(context))) return;
  const message = `version ${installed} has no firstStart command for the role ${parts.record.role}`;
  throw new StepFailure('NO_FIRST_START_COMMAND', message, { version: installed });
}
