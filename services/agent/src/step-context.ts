import type { CommandScope, CommandTarget, ReleaseCommands } from './commands/release-commands.js';
import type { OldProcesses } from './commands/old-processes.js';
import type { RunningOrder } from './domain/order-book.js';
import type { Evidence, LeftOver, OrderAction, Step } from './domain/order.js';
import type { FactsParts } from './facts/collect-facts.js';
import type { ProgramSteps } from './program/program-steps.js';
import type { Release } from './releases.js';
import type { OnProgress, Staging } from './staging.js';
import { StepFailure } from './step-failure.js';

/*
 * What steps are given, and what they find out about their order from it.
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

export function versionOf(action: OrderAction): string {
  return 'version' in action ? action.version : '';
}

export function restorePointOf(action: OrderAction): string {
  return 'restorePoint' in action ? action.restorePoint : '';
}

export function scopeOf({ state, step, signal }: StepContext): CommandScope {
  return { order: state.order.order, step, signal };
}

export function targetOf(
  parts: StepParts,
  release: Release,
  fromVersion: string,
  more: Record<string, string> = {},
): CommandTarget {
  return { release, treeDir: parts.releases.treeOf(release.version), fromVersion, more };
}

export async function demandInstalled({ releases }: Pick<StepParts, 'releases'>, version: string): Promise<string> {
  const installed = await releases.installedVersion();
  if (installed === version) return installed;
  const message = `this host has version ${installed || 'none'}, and the order is about ${version}`;
  throw new StepFailure('WRONG_VERSION', message, { installed, version });
}

/** The version that the order is about: its own, or the installed one for orders that name none. */
export async function loadTarget({ releases }: StepParts, action: OrderAction): Promise<Release> {
  const version = versionOf(action) || (await releases.installedVersion());
  if (version === '') throw new StepFailure('NOT_INSTALLED', 'no version is installed on this host');
  return releases.load(version);
}
