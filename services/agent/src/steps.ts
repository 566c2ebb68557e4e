import {
  checkRestorePoint,
  proveBackup,
  removeBackups,
  restoreData,
  sealBackup,
  takeBackup,
  verifyBackup,
} from './backup/backup-steps.js';
import type { CommandTarget } from './commands/release-commands.js';
import { AGENT_PRODUCT, type HostFacts } from './domain/order.js';
import { collectFacts } from './facts/collect-facts.js';
import { runAction } from './commands/run-action.js';
import { stagedChanged, type Release } from './releases.js';
import {
  demandInstalled,
  loadTarget,
  scopeOf,
  targetOf,
  versionOf,
  type StepContext,
  type StepOutcome,
  type StepParts,
  type Steps,
} from './step-context.js';
import { StepFailure } from './step-failure.js';

/*
 * What each step does on this host. Every step can be done again after it was broken off anywhere: it looks at what is there, not at what it
 * remembers. Which release's command runs: `stop` is that of the version which is current at that moment, everything after the swap that of the
 * version which the order leads to.
 */

export function createSteps(parts: StepParts): Steps {
  return async (context) => {
    const { action } = context.state.order;
    switch (context.step) {
      case 'facts':
        return { evidence: { kind: 'facts', facts: await factsFor(parts, context) } };
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
      case 'read-back':
        return { evidence: { kind: 'backup', backup: await verifyBackup(parts, context) } };
      case 'remove':
        return nothing(removeBackups(parts, context));
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
      case 'command':
        return { evidence: await runAction(parts, context) };
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

function factsFor(parts: StepParts, { state, step, signal }: StepContext): Promise<HostFacts> {
  const { order, action } = state.order;
  const reach = action.kind === 'collect-facts' ? action.reach : undefined;
  return collectFacts(parts, { version: versionOf(action), ...(reach && { reach }) }, { order, step, signal });
}

function programScope({ state, signal }: StepContext) {
  return { order: state.order.order, signal };
}

async function nothing(work: Promise<unknown>): Promise<StepOutcome> {
  await work;
  return {};
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
