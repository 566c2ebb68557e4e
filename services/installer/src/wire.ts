import { atToDate, failureToWire, formatName, hostRole, installerV1 } from '@lastcall/contracts';
import type { Failure, RunHost } from '@lastcall/kernel';
import {
  isConnected,
  type AgentUpdate,
  type HostDocument,
  type PlanDocument,
  type QueueDocument,
} from './documents.js';
import type { CatchUpState } from './domain/catch-up.js';
import { fingerprintOf } from './host-keys.js';
import type { HostTask, PlanState } from './domain/plan-state.js';

/*
 * Documents as the operators' edge shows them.
 */

export function hostToWire(document: HostDocument, queue: QueueDocument | undefined, now: number): installerV1.Host {
  const { installation, host, role, platform, agentVersion, lastSeenAt, publicKey, cutOff = false } = document;
  const current = queue?.queue.open.find((o) => o.state === 'accepted')?.order ?? '';
  return installerV1.Host.fromPartial({
    name: formatName('host', { installation, host }),
    role: hostRole.toWire(role),
    connected: isConnected(document, now),
    ...(lastSeenAt > 0 && { lastSeenTime: atToDate(lastSeenAt) }),
    installedVersion: queue?.queue.installedVersion ?? '',
    agentVersion,
    platform,
    currentOrder: current,
    ...progressOf(queue, current),
    keyFingerprint: fingerprintOf(publicKey),
    cutOff,
    ...(queue?.agentUpdate && { agentUpdate: agentUpdateToWire(queue.agentUpdate) }),
  });
}

function agentUpdateToWire({ order, version, endedAt, failure }: AgentUpdate): installerV1.AgentUpdate {
  const endTime = endedAt === undefined ? undefined : atToDate(endedAt);
  return { order, version, endTime, failure: failure && failureToWire(failure) };
}

function progressOf(queue: QueueDocument | undefined, order: string) {
  const progress = queue?.progress;
  if (!progress || progress.order !== order) return {};
  return { progress: { step: progress.step, done: BigInt(progress.done), total: BigInt(progress.total) } };
}

const PLAN_STATE = {
  none: installerV1.PlanState.UNSPECIFIED,
  staging: installerV1.PlanState.STAGING,
  staged: installerV1.PlanState.STAGED,
  installing: installerV1.PlanState.INSTALLING,
  'rolling-back': installerV1.PlanState.ROLLING_BACK,
  updated: installerV1.PlanState.UPDATED,
  'rolled-back': installerV1.PlanState.ROLLED_BACK,
  quarantined: installerV1.PlanState.QUARANTINED,
  cancelled: installerV1.PlanState.CANCELLED,
} as const satisfies Record<PlanState['phase'], installerV1.PlanState>;

/** Hosts that an order of this plan is at, so that their progress can be shown. */
export function hostsAtWork({ state, catchUps }: PlanDocument): readonly string[] {
  if (state.phase === 'none') return [];
  const late = Object.entries(catchUps ?? {}).filter(([, s]) => 'order' in s);
  return [...Object.entries(state.tasks).filter(([, task]) => 'order' in task), ...late].map(([host]) => host);
}

export function planToWire(
  run: string,
  { installation, state, catchUps }: PlanDocument,
  queues: ReadonlyMap<string, QueueDocument> = new Map(),
): installerV1.Plan {
  const name = formatName('plan', { installation, run });
  if (state.phase === 'none') return installerV1.Plan.fromPartial({ name });
  const why = 'failure' in state ? state.failure : undefined;
  const tasks = state.run.hosts.map((host) => {
    const task = shownTask(state.tasks[host.host], catchUps?.[host.host]);
    return taskToWire(host, task, why, queues.get(host.host));
  });
  const restorePoint = 'restorePoint' in state ? state.restorePoint : '';
  const failure = why && failureToWire(why);
  return installerV1.Plan.fromPartial({
    ...{ name, tasks, restorePoint, state: PLAN_STATE[state.phase] },
    ...(failure && { failure }),
  });
}

interface ShownTask {
  readonly state: HostTask['state'] | 'pending';
  readonly order?: string;
  readonly failure?: Failure;
}

const CATCH_UP_STATE = {
  waiting: 'absent',
  staging: 'staging',
  installing: 'installing',
  settling: 'settling',
  'going-back': 'rolling-back',
  done: 'updated',
  'given-up': 'quarantined',
} as const satisfies Record<CatchUpState['phase'], HostTask['state']>;

function shownTask(task: HostTask | undefined, late: CatchUpState | undefined): ShownTask {
  if (!late) return task ?? { state: 'pending' };
  return {
    state: CATCH_UP_STATE[late.phase],
    ...('order' in late && { order: late.order }),
    ...('failure' in late && late.failure && { failure: late.failure }),
  };
}

function taskToWire(
  { host, role }: RunHost,
  task: ShownTask,
  why: Failure | undefined,
  queue: QueueDocument | undefined,
): installerV1.HostTask {
  const failure = task.failure ?? (why?.host === host ? why : undefined);
  return installerV1.HostTask.fromPartial({
    ...{ host, role: hostRole.toWire(role), state: task.state },
    ...(failure && { failure: failureToWire(failure) }),
    ...progressOf(queue, task.order ?? '-'),
  });
}
