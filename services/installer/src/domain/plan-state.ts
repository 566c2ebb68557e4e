import type { Failure, RunHost, RunSpec } from '@lastcall/kernel';

/*
 * What a plan is: the words of its state, its commands and its events, and the questions that are asked of them. The
 * rules are in `plan.ts`, the folding in `plan-evolve.ts`.
 */

export type OrderStep = 'stage' | 'install' | 'settle' | 'stop' | 'roll-back';

/** How a plan is carried out; settled when it begins, so that every replica and every restart means the same. */
export interface PlanPolicy {
  /** How long each host has to stay healthy before the release counts as installed on it. 0: being healthy once is enough. */
  readonly settleMs: number;
  /** Hosts besides the first that are changed at the same time. */
  readonly parallelHosts: number;
}

/** Where one host stands. A host that is waited for names the order that it is at: any other answer changes nothing. */
export type HostTask =
  | { readonly state: 'absent' }
  | { readonly state: 'staging'; readonly order: string }
  | { readonly state: 'staged' }
  | { readonly state: 'installing'; readonly order: string }
  /** Healthy on the new version, and watched. */
  | { readonly state: 'settling'; readonly order: string }
  | { readonly state: 'updated' }
  /** On the way back: no application runs on it until the data is back. */
  | { readonly state: 'stopping'; readonly order: string }
  | { readonly state: 'stopped' }
  | { readonly state: 'rolling-back'; readonly order: string; readonly attempt: number }
  | { readonly state: 'rolled-back'; readonly dataRestored: boolean }
  /** `attempt`: of the last rollback; absent before there was one. */
  | { readonly state: 'quarantined'; readonly failure: Failure; readonly attempt?: number };

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
  /** Absent in plans of before there was one. */
  readonly policy?: PlanPolicy;
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
  | ({ readonly type: 'begin' } & Beginning)
  | ({ readonly type: 'finish-order' } & FinishedOrder)
  | { readonly type: 'confirm-drain'; readonly at: number }
  | { readonly type: 'note-backup'; readonly restorePoint: string; readonly at: number }
  /** Backup or drain failed: nothing will be installed. */
  | { readonly type: 'abandon'; readonly failure: Failure }
  | ({ readonly type: 'cancel'; readonly run: RunSpec } & CancelRequest)
  /** A person wants a quarantined host to be brought back once more. */
  | { readonly type: 'release'; readonly host: string; readonly data?: 'restore' | 'keep'; readonly at: number }
  /** The plan's own deadline: every order that is still out counts as timed out. */
  | { readonly type: 'expire'; readonly at: number };

export interface Beginning {
  readonly run: RunSpec;
  readonly absentHosts: readonly string[];
  readonly policy: PlanPolicy;
  readonly at: number;
}

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
  | ({ readonly type: 'planned' } & Beginning)
  | {
      readonly type: 'ordered';
      readonly host: string;
      readonly step: OrderStep;
      readonly order: string;
      readonly attempt: number;
      /** The data is not brought back. */
      readonly keepData?: boolean;
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
  | { readonly type: 'host-stopped'; readonly host: string }
  | { readonly type: 'rollback-started'; readonly failure: Failure; readonly at: number }
  | { readonly type: 'host-rolled-back'; readonly host: string; readonly dataRestored: boolean }
  /** No longer quarantined: it is back after all. */
  | { readonly type: 'host-released'; readonly host: string; readonly dataRestored: boolean }
  | { readonly type: 'host-quarantined'; readonly host: string; readonly failure: Failure }
  | { readonly type: 'updated'; readonly at: number }
  | { readonly type: 'rolled-back' }
  | { readonly type: 'quarantined' }
  | { readonly type: 'all-released' };

/** An agent of before there was a settling time. Its host was healthy once, which is all that it can say. */
export const CANNOT_WATCH = 'UNKNOWN_ACTION';

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

const UNBOUNDED: PlanPolicy = { settleMs: 0, parallelHosts: Number.MAX_SAFE_INTEGER };

export function policyOf({ policy = UNBOUNDED }: Pick<Body, 'policy'>): PlanPolicy {
  return policy;
}

const STEP_OF: Readonly<Partial<Record<HostTask['state'], OrderStep>>> = {
  staging: 'stage',
  installing: 'install',
  settling: 'settle',
  stopping: 'stop',
  'rolling-back': 'roll-back',
};

/** What hosts are at. */
export function stepsUnderway(tasks: HostTasks): OrderStep[] {
  return Object.values(tasks).flatMap(({ state }) => STEP_OF[state] ?? []);
}

/** What failed on the way back, one a host. */
export function rollbackFailuresOf(tasks: HostTasks): Failure[] {
  return Object.values(tasks).flatMap((task) => (task.state === 'quarantined' ? [task.failure] : []));
}
