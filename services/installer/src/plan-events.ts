import { atToDate, failureToWire, hostOrderV1, outgoing, runSpecToWire, type OutgoingEvent } from '@lastcall/contracts';
import { MINUTE_MS, type RunSpec } from '@lastcall/kernel';
import type { CatchUpEvent } from './domain/catch-up.js';
import {
  dataHostOf,
  hostsIn,
  policyOf,
  rollbackFailuresOf,
  type OrderStep,
  type PlanEvent,
  type PlanState,
} from './domain/plan-state.js';
import type { InstallerSettings } from './settings.js';

/*
 * What the domain decided, as the events that the other services know.
 */

type Planned = Exclude<PlanState, { phase: 'none' }>;
type Timeouts = Pick<InstallerSettings, 'stageTimeoutMs' | 'installTimeoutMs' | 'rollbackTimeoutMs' | 'settleMs'>;

/** What the last check of a settling time may take. */
const LAST_CHECK_MS = MINUTE_MS;

/** When an order that is given now must be finished. Install and rollback do not end with the run's deadline. */
export function orderDeadline(step: OrderStep, at: number, run: RunSpec, timeouts: Timeouts): number {
  if (step === 'stage') return Math.min(at + timeouts.stageTimeoutMs, run.deadlineAt);
  return at + timeFor(step, timeouts);
}

/** A host that has to stop may still be at its install. */
function timeFor(step: Exclude<OrderStep, 'stage'>, timeouts: Timeouts): number {
  const { installTimeoutMs, rollbackTimeoutMs, settleMs } = timeouts;
  switch (step) {
    case 'install':
      return installTimeoutMs;
    case 'settle':
      return settleMs + Math.min(installTimeoutMs, LAST_CHECK_MS);
    case 'stop':
      return Math.min(installTimeoutMs, rollbackTimeoutMs);
    case 'roll-back':
      return rollbackTimeoutMs;
  }
}

/** `state`: after all events of the decision. */
export function planEventsToWire(event: PlanEvent, state: Planned, timeouts: Timeouts): OutgoingEvent[] {
  const { run } = state;
  const { installation } = run;
  const wire = runSpecToWire(run);
  switch (event.type) {
    case 'ordered': {
      const restorePoint = 'restorePoint' in state && !event.keepData ? state.restorePoint : '';
      const { settleMs } = policyOf(state);
      const target = { fence: run.fence, goBackTo: run.fromVersion, restorePoint, settleMs };
      return [issued(run, event, target, { ...timeouts, settleMs })];
    }
    case 'staged':
      return [outgoing('StagingCompleted', installation, { run: wire, absentHosts: hostsIn(state.tasks, 'absent') })];
    case 'staging-failed':
      return [outgoing('StagingFailed', installation, { run: wire, failure: failureToWire(event.failure) })];
    case 'cancelled': {
      const { requestedBy, reason, expired } = event;
      return [outgoing('RunCancelled', installation, { run: wire, requestedBy, reason, expired })];
    }
    case 'install-started':
      return [outgoing('InstallStarted', installation, { run: wire, restorePoint: event.restorePoint })];
    case 'host-updated':
      return [hostUpdated(run, event.host, run.fromVersion)];
    case 'host-released':
      return [outgoing('HostReleased', installation, { run: wire, host: event.host })];
    case 'updated':
    case 'rolled-back':
    case 'quarantined':
      return [outcome(event.type, state, wire)];
    case 'planned':
    case 'host-staged':
    case 'host-left-out':
    case 'host-stopped':
    case 'drain-confirmed':
    case 'backup-noted':
    case 'abandoned':
    case 'rollback-started':
    case 'host-rolled-back':
    case 'host-quarantined':
    case 'all-released':
      // Nobody else needs to know: a failure before the install was said by the service that met it.
      return [];
  }
}

function outcome(
  type: 'updated' | 'rolled-back' | 'quarantined',
  state: Planned,
  run: ReturnType<typeof runSpecToWire>,
) {
  const { installation } = state.run;
  const why = 'failure' in state && state.failure ? failureToWire(state.failure) : undefined;
  switch (type) {
    case 'updated':
      return outgoing('InstallationUpdated', installation, { run, absentHosts: hostsIn(state.tasks, 'absent') });
    case 'rolled-back': {
      const dataRestored = Object.values(state.tasks).some((t) => t.state === 'rolled-back' && t.dataRestored);
      return outgoing('InstallationRolledBack', installation, { run, failure: why, dataRestored });
    }
    case 'quarantined': {
      const rollbackFailures = rollbackFailuresOf(state.tasks).map(failureToWire);
      return outgoing('InstallationQuarantined', installation, { run, failure: why, rollbackFailures });
    }
  }
}

function hostUpdated(run: RunSpec, host: string, fromVersion: string): OutgoingEvent {
  const { installation, toVersion } = run;
  return outgoing('HostUpdated', installation, { run: runSpecToWire(run), host, fromVersion, toVersion });
}

/** `timeouts.settleMs`: the run's. */
export function catchUpEventsToWire(
  event: CatchUpEvent,
  run: RunSpec,
  from: string,
  timeouts: Timeouts,
): OutgoingEvent[] {
  const { installation } = run;
  switch (event.type) {
    case 'caught-up':
      return [hostUpdated(run, event.host, from)];
    case 'fell-back':
    case 'gave-up': {
      const { host } = event;
      const why = failureToWire({ ...event.failure, host });
      const said = { run: runSpecToWire(run), host, failure: why, givenUp: event.type === 'gave-up' };
      return [outgoing('HostCatchUpFailed', installation, said)];
    }
    case 'started-over':
      return [];
    case 'ordered': {
      const { settleMs } = timeouts;
      const target = { fence: event.fence, goBackTo: event.fromVersion, restorePoint: '', settleMs };
      // The run is over, and its deadline with it.
      const order = issued({ ...run, deadlineAt: Number.MAX_SAFE_INTEGER }, event, target, timeouts);
      if (event.step !== 'stage') return [order];
      const begun = { run: runSpecToWire(run), host: event.host };
      return [outgoing('HostCatchUpBegun', installation, begun), order];
    }
  }
}

interface Target {
  readonly fence: number;
  readonly goBackTo: string;
  readonly restorePoint: string;
  /** Restore point that the older version's data comes from. */
  readonly dataFrom: string;
  readonly settleMs: number;
}

function issued(
  run: RunSpec,
  {
    order,
    host,
    step,
    at,
  }: { readonly order: string; readonly host: string; readonly step: OrderStep; readonly at: number },
  target: Omit<Target, 'dataFrom'>,
  timeouts: Timeouts,
): OutgoingEvent {
  const hasData = dataHostOf(run.hosts)?.host === host;
  const restorePoint = hasData ? target.restorePoint : '';
  const dataFrom = hasData ? (run.downgrade?.dataFrom ?? '') : '';
  const message = hostOrderV1.HostOrder.create({
    order,
    installation: run.installation,
    host,
    run: run.run,
    fence: target.fence,
    deadline: atToDate(orderDeadline(step, at, run, timeouts)),
    issuedBy: 'installer',
    traceparent: run.traceparent ?? '',
    action: actionOf(step, run, { ...target, restorePoint, dataFrom }),
  });
  return outgoing('HostOrderIssued', run.installation, { order: message });
}

function actionOf(step: OrderStep, run: RunSpec, target: Target): NonNullable<hostOrderV1.HostOrder['action']> {
  const { product, toVersion: version } = run;
  switch (step) {
    case 'stage':
      return { $case: 'stageRelease', value: { product, version } };
    case 'install':
      if (!run.downgrade) return { $case: 'installRelease', value: { product, version } };
      return { $case: 'downgradeRelease', value: { product, version, restorePoint: target.dataFrom } };
    case 'settle':
      return { $case: 'watchHealth', value: { product, version, durationMs: target.settleMs } };
    case 'stop':
      return {
        $case: 'rollBackRelease',
        value: { product, version: target.goBackTo, restorePoint: '', keepStopped: true },
      };
    case 'roll-back':
      return {
        $case: 'rollBackRelease',
        value: { product, version: target.goBackTo, restorePoint: target.restorePoint, keepStopped: false },
      };
  }
}
