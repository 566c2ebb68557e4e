import { closedForOf, passesGate, type RunSpec } from '@lastcall/kernel';
import type { Heard } from './heard.js';

/*
 * The phases of a run, in order. A phase begins with an event; events arrive in any order, so a phase never goes back.
 */

export type Phase =
  | 'preflight'
  | 'staging'
  | 'draining'
  | 'closed'
  | 'backing-up'
  | 'confirming'
  | 'installing'
  | 'commanding'
  | 'reopening';

export const PHASES: readonly Phase[] = [
  'preflight',
  'staging',
  'draining',
  'closed',
  'backing-up',
  'confirming',
  'installing',
  'commanding',
  'reopening',
];

const AFTER: Readonly<Partial<Record<Heard['event'], Phase>>> = {
  PreflightPassed: 'staging',
  StagingCompleted: 'draining',
  SessionsDrained: 'backing-up',
  MaintenanceBegun: 'closed',
  BackupTaken: 'confirming',
  DrainConfirmed: 'installing',
  InstallStarted: 'installing',
  CommandsStarted: 'commanding',
  InstallationUpdated: 'reopening',
  InstallationRolledBack: 'reopening',
  InstallationQuarantined: 'reopening',
};

/** A maintenance window has nothing to check and nothing to stage. */
export function firstPhase(spec: RunSpec): Phase {
  return closedForOf(spec) === undefined ? 'preflight' : 'draining';
}

/** The phase that the event begins in a run that is in this one. A backup stages nothing, a command neither, a single seat drains nobody. */
export function phaseAfter(spec: RunSpec, current: Phase, event: Heard['event']): Phase {
  const usual = AFTER[event];
  if (usual === 'staging' && spec.type === 'run-command') return current;
  const next =
    (usual === 'staging' && spec.type === 'data-backup') || (usual === 'draining' && !passesGate(spec))
      ? 'backing-up'
      : usual;
  return next && PHASES.indexOf(next) > PHASES.indexOf(current) ? next : current;
}

/** When each phase began, by the clocks of those who said so. */
export type PhaseBegan = Readonly<Partial<Record<Phase, number>>>;

/** How long each phase took that the run was in; `untilAt` ends the last one. */
export function phaseDurations(began: PhaseBegan, untilAt: number): { readonly phase: Phase; readonly ms: number }[] {
  const there = PHASES.flatMap((phase) => {
    const at = began[phase];
    return at === undefined ? [] : [{ phase, at }];
  });
  return there.map(({ phase, at }, i) => ({ phase, ms: Math.max(0, (there[i + 1]?.at ?? untilAt) - at) }));
}
