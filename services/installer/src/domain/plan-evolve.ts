import { assertNever, type Failure, type RunSpec } from '@lastcall/kernel';
import type { HostTask, HostTasks, PlanEvent, PlanState } from './plan-state.js';

/*
 * Folds events into the state of a plan. An event that does not fit the state leaves it alone: `decide` never says one.
 */

type Planned = Exclude<PlanState, { phase: 'none' }>;

export function evolvePlan(state: PlanState, event: PlanEvent): PlanState {
  if (event.type === 'planned') return planned(event);
  if (event.type === 'cancelled') return cancelled(state, event.run);
  if (state.phase === 'none') return state;
  return evolvePlanned(state, event);
}

function planned({ run, absentHosts, policy, at }: Extract<PlanEvent, { type: 'planned' }>): PlanState {
  const tasks = Object.fromEntries(
    run.hosts.filter((h) => absentHosts.includes(h.host)).map((h): [string, HostTask] => [h.host, { state: 'absent' }]),
  );
  return { phase: 'staging', run, tasks, policy, since: at, readiness: { drainConfirmed: false } };
}

function cancelled(state: PlanState, run: RunSpec): PlanState {
  if (state.phase === 'none') return { phase: 'cancelled', run, tasks: {}, cancelAnswered: true };
  if (state.phase === 'cancelled') return { ...state, cancelAnswered: true };
  return { phase: 'cancelled', ...bodyOf(state), cancelAnswered: true };
}

type Remaining = Exclude<PlanEvent, { type: 'planned' | 'cancelled' }>;

function evolvePlanned(state: Planned, event: Remaining): PlanState {
  switch (event.type) {
    case 'ordered':
      return { ...withTask(state, event.host, orderedTask(event)), ...('since' in state && { since: event.at }) };
    case 'host-staged':
      return withTask(state, event.host, { state: 'staged' });
    case 'host-left-out':
      return withTask(state, event.host, { state: 'absent' });
    case 'host-updated':
      return withTask(state, event.host, { state: 'updated' });
    case 'host-stopped':
      return withTask(state, event.host, { state: 'stopped' });
    case 'host-released':
    case 'host-rolled-back':
      return withTask(state, event.host, { state: 'rolled-back', dataRestored: event.dataRestored });
    case 'host-quarantined':
      return withTask(state, event.host, quarantinedTask(state.tasks[event.host], event.failure));
    case 'drain-confirmed':
      return 'readiness' in state ? { ...state, readiness: { ...state.readiness, drainConfirmed: true } } : state;
    case 'backup-noted':
      return 'readiness' in state
        ? { ...state, readiness: { ...state.readiness, restorePoint: event.restorePoint } }
        : state;
    case 'staged':
    case 'staging-failed':
    case 'abandoned':
    case 'install-started':
    case 'rollback-started':
    case 'updated':
    case 'rolled-back':
    case 'quarantined':
    case 'all-released':
      return evolvePhase(state, event);
    default:
      return assertNever(event);
  }
}

type PhaseEvent = Extract<
  PlanEvent,
  {
    type:
      | 'staged'
      | 'staging-failed'
      | 'abandoned'
      | 'install-started'
      | 'rollback-started'
      | 'updated'
      | 'rolled-back'
      | 'quarantined'
      | 'all-released';
  }
>;

function evolvePhase(state: Planned, event: PhaseEvent): PlanState {
  const body = bodyOf(state);
  const restorePoint = 'restorePoint' in state ? state.restorePoint : '';
  switch (event.type) {
    case 'staged':
      return state.phase === 'staging' ? { phase: 'staged', ...body, readiness: state.readiness } : state;
    case 'staging-failed':
    case 'abandoned':
      return { phase: 'cancelled', ...body, failure: event.failure, cancelAnswered: false };
    case 'install-started':
      return { phase: 'installing', ...body, since: event.at, restorePoint: event.restorePoint };
    case 'rollback-started':
      return { phase: 'rolling-back', ...body, since: event.at, restorePoint, failure: event.failure };
    case 'updated':
      return { phase: 'updated', ...body, restorePoint, at: event.at };
    case 'rolled-back':
    case 'quarantined':
      return state.phase === 'rolling-back'
        ? { phase: event.type, ...body, restorePoint, failure: state.failure }
        : state;
    case 'all-released':
      return state.phase === 'quarantined'
        ? { phase: 'rolled-back', ...body, restorePoint, failure: state.failure }
        : state;
    default:
      return assertNever(event);
  }
}

function quarantinedTask(before: HostTask | undefined, why: Failure): HostTask {
  const attempt = before && 'attempt' in before ? before.attempt : undefined;
  return { state: 'quarantined', failure: why, ...(attempt !== undefined && { attempt }) };
}

function bodyOf({ run, tasks, policy }: Planned) {
  return { run, tasks, ...(policy && { policy }) };
}

function withTask<S extends { readonly tasks: HostTasks }>(state: S, host: string, task: HostTask): S {
  return { ...state, tasks: { ...state.tasks, [host]: task } };
}

function orderedTask({ step, order, attempt }: Extract<PlanEvent, { type: 'ordered' }>): HostTask {
  switch (step) {
    case 'stage':
      return { state: 'staging', order };
    case 'install':
      return { state: 'installing', order };
    case 'settle':
      return { state: 'settling', order };
    case 'stop':
      return { state: 'stopping', order };
    case 'roll-back':
      return { state: 'rolling-back', order, attempt };
    default:
      return assertNever(step);
  }
}
