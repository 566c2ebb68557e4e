import type { Failure, RunHost, RunSpec } from '@lastcall/kernel';

/*
 * What a plan is: the words of its state, its commands and its events, and the questions that are asked of them. The
 * rules are in `plan.ts`, the folding in `plan-evolve.ts`.
 */

export type OrderStep = 'stage' | 'install' | 'roll-back';

/** Where one host stands. A host that is waited for names the order that it is at: any other answer changes nothing. */
export type HostTask =
  | { readonly state: 'absent' }
  | { readonly state: 'staging'; readonly order: string }
  | { readonly state: 'staged' }
  | { readonly state: 'installing'; readonly order: string }
  | { readonly state: 'updated' }
  | { readonly state: 'rolling-back'; readonly order: string; readonly attempt: number }
  | { readonly state: 'rolled-back'; readonly dataRestored: boolean }
  | { readonly state: 'quarantined'; readonly failure: Failure };

export type HostTasks = Readonly<Record<string, HostTask>>;

/** What is known of the two conditions of the install; they come in either order. */
export interface Readiness {
  readonly drainConfirmed: boolean;
  /** Absent: no backup yet. Empty: there was nothing to back up. */
  readonly restorePoint?: string;
}

interface Body {
  readonly run: RunSpec;
  readonly tasks: HostTasks;
}

/** `since`: when the newest orders of the phase were given. */
export type PlanState =
  | { readonly phase: 'none' }
  | ({ readonly phase: 'staging'; readonly since: number; readonly readiness: Readiness } & Body)
  | ({ readonly phase: 'staged'; readonly readiness: Readiness } & Body)
  | ({ readonly phase: 'installing'; readonly since: number; readonly restorePoint: string } & Body)
  | ({
      readonly phase: 'rolling-back';
      readonly since: number;
      readonly restorePoint: string;
      readonly failure: Failure;
    } & Body)
  | ({ readonly phase: 'updated'; readonly restorePoint: string; readonly at: number } & Body)
  | ({ readonly phase: 'rolled-back'; readonly restorePoint: string; readonly failure: Failure } & Body)
  | ({ readonly phase: 'quarantined'; readonly restorePoint: string; readonly failure: Failure } & Body)
  /** Ended before anything was changed: by a failure, by a request, or both. */
  | ({ readonly phase: 'cancelled'; readonly failure?: Failure; readonly cancelAnswered: boolean } & Body);

/** A plan with hosts that can be waited for. */
export type RunningPlan = Extract<PlanState, { phase: 'staging' | 'installing' | 'rolling-back' }>;

export type PlanCommand =
  | { readonly type: 'begin'; readonly run: RunSpec; readonly absentHosts: readonly string[]; readonly at: number }
  | ({ readonly type: 'finish-order' } & FinishedOrder)
  | { readonly type: 'confirm-drain'; readonly at: number }
  | { readonly type: 'note-backup'; readonly restorePoint: string; readonly at: number }
  /** Backup or drain failed: nothing will be installed. */
  | { readonly type: 'abandon'; readonly failure: Failure }
  | ({ readonly type: 'cancel'; readonly run: RunSpec } & CancelRequest)
  /** The plan's own deadline: every order that is still out counts as timed out. */
  | { readonly type: 'expire'; readonly at: number };

export interface CancelRequest {
  readonly requestedBy: string;
  readonly reason: string;
  readonly expired: boolean;
}

export interface FinishedOrder {
  readonly host: string;
  readonly order: string;
  /** Absent when it succeeded. */
  readonly failure?: Failure;
  /** Version on the host afterwards. */
  readonly installedVersion: string;
  /** Whether data was restored (rollback). */
  readonly dataChanged: boolean;
  readonly at: number;
}

export type PlanEvent =
  | { readonly type: 'planned'; readonly run: RunSpec; readonly absentHosts: readonly string[]; readonly at: number }
  | {
      readonly type: 'ordered';
      readonly host: string;
      readonly step: OrderStep;
      readonly order: string;
      readonly attempt: number;
      readonly at: number;
    }
  | { readonly type: 'host-staged'; readonly host: string }
  | { readonly type: 'host-left-out'; readonly host: string }
  | { readonly type: 'staged' }
  | { readonly type: 'staging-failed'; readonly failure: Failure }
  | { readonly type: 'drain-confirmed' }
  | { readonly type: 'backup-noted'; readonly restorePoint: string }
  | { readonly type: 'abandoned'; readonly failure: Failure }
  | ({ readonly type: 'cancelled'; readonly run: RunSpec } & CancelRequest)
  | { readonly type: 'install-started'; readonly restorePoint: string; readonly at: number }
  | { readonly type: 'host-updated'; readonly host: string }
  | { readonly type: 'rollback-started'; readonly failure: Failure; readonly at: number }
  | { readonly type: 'host-rolled-back'; readonly host: string; readonly dataRestored: boolean }
  | { readonly type: 'host-quarantined'; readonly host: string; readonly failure: Failure }
  | { readonly type: 'updated'; readonly at: number }
  | { readonly type: 'rolled-back' }
  | { readonly type: 'quarantined' };

/** Id of an order: the same when the step is decided again after a crash. Hosts and runs have no dots. */
export function orderIdOf(run: string, host: string, step: string, attempt: number): string {
  return `${run}.${host}.${step}-${attempt}`;
}

/** The host with the data, which is changed first and brought back with its restore point; preflight chooses the same. */
export function dataHostOf(hosts: readonly RunHost[]): RunHost | undefined {
  return hosts.find((h) => h.role === 'server') ?? hosts[0];
}

export function hostsIn(tasks: HostTasks, ...states: readonly HostTask['state'][]): string[] {
  return Object.entries(tasks)
    .filter(([, task]) => states.includes(task.state))
    .map(([host]) => host);
}

/** The order that a host is at. */
export function orderOf(task: HostTask | undefined): string | undefined {
  return task && 'order' in task ? task.order : undefined;
}

export function isRunning(state: PlanState): state is RunningPlan {
  return state.phase === 'staging' || state.phase === 'installing' || state.phase === 'rolling-back';
}

/** What failed on the way back, one a host. */
export function rollbackFailuresOf(tasks: HostTasks): Failure[] {
  return Object.values(tasks).flatMap((task) => (task.state === 'quarantined' ? [task.failure] : []));
}
