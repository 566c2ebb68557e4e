import { assertNever, failure, passesGate, type Decider, type Failure, type RunSpec } from '@lastcall/kernel';
import { evolvePlan } from './plan-evolve.js';
import {
  dataHostOf,
  hostsIn,
  isRunning,
  orderIdOf,
  orderOf,
  type CancelRequest,
  type FinishedOrder,
  type OrderStep,
  type PlanCommand,
  type PlanEvent,
  type PlanState,
  type RunningPlan,
} from './plan-state.js';

/*
 * The plan of one run: every host stages, then all are changed, or all are brought back.
 *
 * What it keeps, whatever comes in whatever order and how often:
 * - The install starts once, on a staged plan with a backup and, where there is a gate, a confirmed drain.
 * - Of RunCancelled and InstallStarted exactly one is said; this document is the arbiter.
 * - After the install has started there is an outcome: all hosts new, all hosts old, or quarantine. `expire` forces it.
 * - A host that was given an install order is never left at that: it ends updated, rolled back or quarantined.
 */

/** A rollback that failed is tried once more; after that a person is needed. */
export const ROLLBACK_ATTEMPTS = 2;

function decide(state: PlanState, command: PlanCommand): readonly PlanEvent[] {
  switch (command.type) {
    case 'begin':
      return state.phase === 'none' ? begin(command) : [];
    case 'finish-order':
      return finishOrder(state, command);
    case 'confirm-drain':
      if (!isWaiting(state) || state.readiness.drainConfirmed) return [];
      return followedBy(state, [{ type: 'drain-confirmed' }], (s) => startIfReady(s, command.at));
    case 'note-backup': {
      if (!isWaiting(state) || state.readiness.restorePoint !== undefined) return [];
      const noted: PlanEvent = { type: 'backup-noted', restorePoint: command.restorePoint };
      return followedBy(state, [noted], (s) => startIfReady(s, command.at));
    }
    case 'abandon':
      return isWaiting(state) ? [{ type: 'abandoned', failure: command.failure }] : [];
    case 'cancel':
      return cancel(state, command.run, command);
    case 'expire':
      return expire(state, command.at);
    default:
      return assertNever(command);
  }
}

type Waiting = Extract<PlanState, { phase: 'staging' | 'staged' }>;

/** Nothing has been changed on any host. */
function isWaiting(state: PlanState): state is Waiting {
  return state.phase === 'staging' || state.phase === 'staged';
}

function followedBy(
  state: PlanState,
  events: readonly PlanEvent[],
  next: (state: PlanState) => readonly PlanEvent[],
): readonly PlanEvent[] {
  return [...events, ...next(events.reduce(evolvePlan, state))];
}

function begin({ run, absentHosts, at }: Extract<PlanCommand, { type: 'begin' }>): readonly PlanEvent[] {
  const planned: PlanEvent = { type: 'planned', run, absentHosts, at };
  const obstacle = obstacleOf(run, absentHosts);
  if (obstacle) return [planned, { type: 'staging-failed', failure: obstacle }];
  const taking = run.hosts.filter((h) => !absentHosts.includes(h.host));
  return [planned, ...taking.map((h) => ordered(run, h.host, 'stage', 1, at))];
}

/** Why this run must not go further, although its checks are green. */
function obstacleOf(run: RunSpec, absentHosts: readonly string[]): Failure | undefined {
  const holder = dataHostOf(run.hosts);
  if (!holder) return failure('NO_HOST', 'the installation has no host; join one: lastcall host join-token');
  if (run.fromVersion === '') {
    const message =
      `no version of ${run.product} is installed, so a failed install would have nothing to go back to; ` +
      'install the first version by hand and join the host again';
    return failure('NOTHING_TO_ROLL_BACK_TO', message);
  }
  const missing = run.hosts.find((h) => absentHosts.includes(h.host) && (!h.mayFollowLater || h === holder));
  if (!missing) return undefined;
  const message = `${missing.role} ${missing.host} is switched off and the update cannot go ahead without it; switch it on`;
  return failure('HOST_ABSENT', message, missing.host);
}

function ordered(run: RunSpec, host: string, step: OrderStep, attempt: number, at: number): PlanEvent {
  return { type: 'ordered', host, step, order: orderIdOf(run.run, host, step, attempt), attempt, at };
}

function finishOrder(state: PlanState, finished: FinishedOrder): readonly PlanEvent[] {
  if (!isRunning(state) || orderOf(state.tasks[finished.host]) !== finished.order) return [];
  switch (state.phase) {
    case 'staging':
      return stageFinished(state, finished);
    case 'installing':
      return installFinished(state, finished);
    case 'rolling-back':
      return rollbackFinished(state, finished);
    default:
      return assertNever(state);
  }
}

function stageFinished(state: RunningPlan, { host, failure: why, at }: FinishedOrder): readonly PlanEvent[] {
  if (why && !mayBeLeftOut(state.run, host, why)) return [{ type: 'staging-failed', failure: { ...why, host } }];
  const answered: PlanEvent = why ? { type: 'host-left-out', host } : { type: 'host-staged', host };
  return followedBy(state, [answered], (next) => {
    if (next.phase !== 'staging' || hostsIn(next.tasks, 'staging').length > 0) return [];
    return followedBy(next, [{ type: 'staged' }], (s) => startIfReady(s, at));
  });
}

/** Switched off since the checks: the same as switched off before them. */
function mayBeLeftOut(run: RunSpec, host: string, why: Failure): boolean {
  const found = run.hosts.find((h) => h.host === host);
  return why.reason === 'TIMED_OUT' && found?.mayFollowLater === true && found !== dataHostOf(run.hosts);
}

function startIfReady(state: PlanState, at: number): readonly PlanEvent[] {
  if (state.phase !== 'staged') return [];
  const { run, readiness } = state;
  const holder = dataHostOf(run.hosts);
  const { restorePoint } = readiness;
  if (!holder || restorePoint === undefined || (passesGate(run) && !readiness.drainConfirmed)) return [];
  return [{ type: 'install-started', restorePoint, at }, ordered(run, holder.host, 'install', 1, at)];
}

function installFinished(state: RunningPlan, finished: FinishedOrder): readonly PlanEvent[] {
  const { host, at } = finished;
  const why = finished.failure ?? wrongVersion(finished, state.run.toVersion);
  if (why) return rollBack(state, { ...why, host }, at);
  return followedBy(state, [{ type: 'host-updated', host }], (next) => {
    if (next.phase !== 'installing' || hostsIn(next.tasks, 'installing').length > 0) return [];
    const others = hostsIn(next.tasks, 'staged');
    if (others.length === 0) return [{ type: 'updated', at }];
    return others.map((other) => ordered(next.run, other, 'install', 1, at));
  });
}

/** A host that says "done" and names another version is not done. */
function wrongVersion({ host, installedVersion }: FinishedOrder, wanted: string): Failure | undefined {
  if (installedVersion === wanted) return undefined;
  const message = `${host} finished the order and has version ${installedVersion || 'none'} instead of ${wanted}`;
  return failure('WRONG_VERSION', message, host, { installedVersion, wanted });
}

function rollBack(state: RunningPlan, why: Failure, at: number): readonly PlanEvent[] {
  const touched = hostsIn(state.tasks, 'installing', 'updated');
  const orders = touched.map((host) => ordered(state.run, host, 'roll-back', 1, at));
  return [{ type: 'rollback-started', failure: why, at }, ...orders];
}

function rollbackFinished(state: RunningPlan, finished: FinishedOrder): readonly PlanEvent[] {
  const { host, dataChanged, at } = finished;
  const task = state.tasks[host];
  const attempt = task?.state === 'rolling-back' ? task.attempt : 1;
  const why = finished.failure ?? wrongVersion(finished, state.run.fromVersion);
  if (why && attempt < ROLLBACK_ATTEMPTS) return [ordered(state.run, host, 'roll-back', attempt + 1, at)];
  const ended: PlanEvent = why
    ? { type: 'host-quarantined', host, failure: { ...why, host } }
    : { type: 'host-rolled-back', host, dataRestored: dataChanged };
  return followedBy(state, [ended], (next) => {
    if (next.phase !== 'rolling-back' || hostsIn(next.tasks, 'rolling-back').length > 0) return [];
    return [{ type: hostsIn(next.tasks, 'quarantined').length > 0 ? 'quarantined' : 'rolled-back' }];
  });
}

function cancel(state: PlanState, run: RunSpec, request: CancelRequest): readonly PlanEvent[] {
  const { requestedBy, reason, expired } = request;
  const event: PlanEvent = { type: 'cancelled', run, requestedBy, reason, expired };
  switch (state.phase) {
    case 'none':
    case 'staging':
    case 'staged':
      return [event];
    case 'cancelled':
      return state.cancelAnswered ? [] : [event];
    case 'installing':
    case 'rolling-back':
    case 'updated':
    case 'rolled-back':
    case 'quarantined':
      return [];
    default:
      return assertNever(state);
  }
}

/** Only the orders that were out when the time was up: what follows from them has its own time. */
function expire(state: PlanState, at: number): readonly PlanEvent[] {
  if (!isRunning(state)) return [];
  const out = Object.entries(state.tasks).flatMap(([host, task]) => {
    const order = orderOf(task);
    return order === undefined ? [] : [{ host, order }];
  });
  let current: PlanState = state;
  const events: PlanEvent[] = [];
  for (const { host, order } of out) {
    const why = failure('TIMED_OUT', `${host} did not say in time what came of ${order}`, host);
    const more = finishOrder(current, { host, order, failure: why, installedVersion: '', dataChanged: false, at });
    current = more.reduce(evolvePlan, current);
    events.push(...more);
  }
  return events;
}

export const plan: Decider<PlanState, PlanCommand, PlanEvent> = {
  initial: { phase: 'none' },
  decide,
  evolve: evolvePlan,
};
