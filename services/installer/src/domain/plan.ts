import {
  assertNever,
  failure,
  invalid,
  passesGate,
  reject,
  type Decider,
  type Failure,
  type Rejected,
  type RunSpec,
} from '@lastcall/kernel';
import { evolvePlan } from './plan-evolve.js';
import {
  CANNOT_WATCH,
  dataHostOf,
  hostsIn,
  isRunning,
  orderIdOf,
  orderOf,
  policyOf,
  type Beginning,
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
 * - No application of the one version meets the data of the other: the host with the data is changed before all others, and on the way
 *   back the others are stopped before its data goes back and started after that.
 */

/** A rollback that failed is tried once more; after that a person is needed. */
export const ROLLBACK_ATTEMPTS = 2;
/** The host did not answer in time: asking once more would double the time in which nobody can work. */
const SILENT = 'TIMED_OUT';

function decide(state: PlanState, command: PlanCommand): readonly PlanEvent[] | Rejected {
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
    case 'release':
      return release(state, command);
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

function begin({ run, absentHosts, policy, at }: Beginning): readonly PlanEvent[] {
  const planned: PlanEvent = { type: 'planned', run, absentHosts, policy, at };
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

/** Only a person decides what becomes of data that may have changed since. */
function release(
  state: PlanState,
  { host, data, at }: Extract<PlanCommand, { type: 'release' }>,
): readonly PlanEvent[] | Rejected {
  const task = state.phase === 'quarantined' ? state.tasks[host] : undefined;
  if (state.phase !== 'quarantined' || task?.state !== 'quarantined') {
    if (task?.state === 'rolling-back') return [];
    return reject('refused', 'NOT_QUARANTINED', `host ${host} is not quarantined`, { facts: { host } });
  }
  const holder = dataHostOf(state.run.hosts)?.host ?? '';
  const hasData = holder === host;
  if (!hasData && state.tasks[holder]?.state === 'rolling-back') {
    const message = `${holder}, which has the data, is being brought back; release ${host} when that has ended`;
    return reject('refused', 'SERVER_COMES_BACK', message, { facts: { host } });
  }
  if (hasData && data === undefined) {
    const description =
      'must be said for the host with the data: restore (to the backup of the run; what came later is lost) or keep';
    return invalid([{ field: 'data', description }]);
  }
  const order = ordered(state.run, host, 'roll-back', (task.attempt ?? 0) + 1, at);
  return [{ ...order, ...(data === 'keep' && { keepData: true }) }];
}

function releaseFinished(state: Quarantined, finished: FinishedOrder): readonly PlanEvent[] {
  const { host, dataChanged } = finished;
  const why = failureIn(finished, state.run.fromVersion);
  if (why) return [{ type: 'host-quarantined', host, failure: { ...why, host } }];
  return followedBy(state, [{ type: 'host-released', host, dataRestored: dataChanged }], (next) =>
    next.phase === 'quarantined' && hostsIn(next.tasks, 'quarantined', 'rolling-back').length === 0
      ? [{ type: 'all-released' }]
      : [],
  );
}

type Quarantined = Extract<PlanState, { phase: 'quarantined' }>;

function finishOrder(state: PlanState, finished: FinishedOrder): readonly PlanEvent[] {
  if (state.phase === 'quarantined' && orderOf(state.tasks[finished.host]) === finished.order) {
    return releaseFinished(state, finished);
  }
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
  const isSettling = state.tasks[host]?.state === 'settling';
  const why = failureIn(finished, state.run.toVersion);
  if (why && !(isSettling && why.reason === CANNOT_WATCH)) return rollBack(state, { ...why, host }, at);
  const settles = !isSettling && policyOf(state).settleMs > 0;
  const next: PlanEvent = settles ? ordered(state.run, host, 'settle', 1, at) : { type: 'host-updated', host };
  return followedBy(state, [next], (s) => goOn(s, at));
}

/** The next hosts, as many as may be changed at once; the end when all have settled. */
function goOn(state: PlanState, at: number): readonly PlanEvent[] {
  if (state.phase !== 'installing') return [];
  const { run, tasks } = state;
  const next = hostsIn(tasks, 'staged').slice(0, roomIn(state, 'installing'));
  if (next.length > 0) return next.map((host) => ordered(run, host, 'install', 1, at));
  return hostsIn(tasks, 'staged', 'installing', 'settling').length === 0 ? [{ type: 'updated', at }] : [];
}

function roomIn(state: RunningPlan, busy: 'installing' | 'rolling-back'): number {
  return Math.max(0, policyOf(state).parallelHosts - hostsIn(state.tasks, busy).length);
}

function failureIn(finished: FinishedOrder, wanted: string): Failure | undefined {
  return finished.failure ?? wrongVersion(finished, wanted);
}

/** A host that says "done" and names another version is not done. */
function wrongVersion({ host, installedVersion }: FinishedOrder, wanted: string): Failure | undefined {
  if (installedVersion === wanted) return undefined;
  const message = `${host} finished the order and has version ${installedVersion || 'none'} instead of ${wanted}`;
  return failure('WRONG_VERSION', message, host, { installedVersion, wanted });
}

function rollBack(state: RunningPlan, why: Failure, at: number): readonly PlanEvent[] {
  const touched = hostsIn(state.tasks, 'installing', 'settling', 'updated');
  const holder = dataHostOf(state.run.hosts)?.host;
  const others = touched.filter((host) => host !== holder);
  const stops = others.map((host) => ordered(state.run, host, 'stop', 1, at));
  return followedBy(state, [{ type: 'rollback-started', failure: why, at }, ...stops], (s) => goBack(s, at));
}

/** First all others stop, then the host with the data goes back, then the others do. */
function goBack(state: PlanState, at: number): readonly PlanEvent[] {
  if (state.phase !== 'rolling-back') return [];
  const { run, tasks } = state;
  if (hostsIn(tasks, 'stopping').length > 0) return [];
  const holder = dataHostOf(run.hosts)?.host ?? '';
  const isTouched = hostsIn(tasks, 'installing', 'settling', 'updated').includes(holder);
  if (isTouched) return [ordered(run, holder, 'roll-back', 1, at)];
  if (tasks[holder]?.state === 'rolling-back') return [];
  const next = hostsIn(tasks, 'stopped').slice(0, roomIn(state, 'rolling-back'));
  if (next.length > 0) return next.map((host) => ordered(run, host, 'roll-back', 1, at));
  if (hostsIn(tasks, 'stopped', 'rolling-back').length > 0) return [];
  return [{ type: hostsIn(tasks, 'quarantined').length > 0 ? 'quarantined' : 'rolled-back' }];
}

function rollbackFinished(state: RunningPlan, finished: FinishedOrder): readonly PlanEvent[] {
  const { at } = finished;
  const step = state.tasks[finished.host]?.state;
  // What came of the install or of the settling is of no interest any more.
  if (step !== 'stopping' && step !== 'rolling-back') return [];
  const event = step === 'stopping' ? stopFinished(finished) : wentBack(state, finished);
  return followedBy(state, [event], (next) => goBack(next, at));
}

/** Whoever could not stop is asked again with the whole way back; who is silent is not waited for a second time. */
function stopFinished({ host, failure: why }: FinishedOrder): PlanEvent {
  if (why?.reason === SILENT) return { type: 'host-quarantined', host, failure: { ...why, host } };
  return { type: 'host-stopped', host };
}

function wentBack(state: RunningPlan, finished: FinishedOrder): PlanEvent {
  const { host, dataChanged, at } = finished;
  const task = state.tasks[host];
  const attempt = task?.state === 'rolling-back' ? task.attempt : 1;
  const why = failureIn(finished, state.run.fromVersion);
  if (!why) return { type: 'host-rolled-back', host, dataRestored: dataChanged };
  const again = attempt < ROLLBACK_ATTEMPTS && why.reason !== SILENT;
  if (again) return ordered(state.run, host, 'roll-back', attempt + 1, at);
  return { type: 'host-quarantined', host, failure: { ...why, host } };
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
