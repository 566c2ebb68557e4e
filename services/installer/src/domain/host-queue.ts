import { assertNever, failure, type Decider, type Failure } from '@lastcall/kernel';

/*
 * The orders of one host, in the order in which they were issued. One document a host, because two of its rules look at
 * more than one order: the fence, and that an install which arrives behind the rollback of its own run is never begun.
 *
 *   issue -> pending -> accepted -> completed
 *
 * An order is completed exactly once: by the agent's result, by its deadline, or at once when it must not be begun.
 */

export interface Order {
  readonly order: string;
  /** Empty for an order on demand. */
  readonly run: string;
  /** 0: changes nothing. */
  readonly fence: number;
  readonly deadlineAt: number;
  readonly action: 'install' | 'roll-back' | 'other';
  /** Which rollback undoes which install: the run, or one attempt of a host that catches up. */
  readonly pair: string;
  /** The order as it goes to the host; opaque here. */
  readonly body: string;
}

export interface OpenOrder extends Order {
  readonly state: 'pending' | 'accepted';
  /** Step that it has reached; empty before the first. */
  readonly step: string;
}

/** A completed order, as long as somebody could still speak of it. */
export type DoneOrder = Pick<Order, 'order' | 'action' | 'pair'>;

export interface HostQueue {
  /** Highest that the host was given. */
  readonly fence: number;
  /** Empty for none, or not known. */
  readonly installedVersion: string;
  readonly open: readonly OpenOrder[];
  readonly done: readonly DoneOrder[];
}

/** Completed orders that are remembered. A repeat that is older than these has a deadline that has long passed. */
export const DONE_KEPT = 100;
/** Orders that may wait for one host. */
export const OPEN_MAX = 64;

export type HostQueueCommand =
  | { readonly type: 'issue'; readonly order: Order; readonly at: number }
  | { readonly type: 'accept'; readonly order: string }
  | { readonly type: 'progress'; readonly order: string; readonly step: string }
  | {
      readonly type: 'finish';
      readonly order: string;
      readonly failure?: Failure;
      /** Absent: the agent did not say. */
      readonly installedVersion?: string;
    }
  /** `graceMs`: what an accepted order may take longer, for a result that is under way. */
  | { readonly type: 'expire'; readonly at: number; readonly graceMs: number }
  | { readonly type: 'hello'; readonly installedVersion: string; readonly fence: number };

export type HostQueueEvent =
  | { readonly type: 'queued'; readonly order: Order }
  | { readonly type: 'accepted'; readonly order: string }
  | { readonly type: 'progressed'; readonly order: Order; readonly step: string }
  /** `failure` is absent when it succeeded; `by` says whose words the result is in. */
  | { readonly type: 'completed'; readonly order: Order; readonly failure?: Failure; readonly by: 'agent' | 'edge' }
  | { readonly type: 'version-seen'; readonly version: string }
  | { readonly type: 'fence-seen'; readonly fence: number };

function decide(state: HostQueue, command: HostQueueCommand): readonly HostQueueEvent[] {
  switch (command.type) {
    case 'issue':
      return issue(state, command.order, command.at);
    case 'accept':
      return find(state, command.order)?.state === 'pending' ? [{ type: 'accepted', order: command.order }] : [];
    case 'progress': {
      const order = find(state, command.order);
      return order && order.step !== command.step ? [{ type: 'progressed', order, step: command.step }] : [];
    }
    case 'finish':
      return finish(state, command);
    case 'expire':
      return state.open
        .filter((o) => o.deadlineAt + (o.state === 'accepted' ? command.graceMs : 0) <= command.at)
        .map((order) => ({ type: 'completed', order, failure: timedOut(order), by: 'edge' }));
    case 'hello':
      return [...seen(state, command.installedVersion), ...fenced(state, command.fence)];
    default:
      return assertNever(command);
  }
}

function find(state: HostQueue, order: string): OpenOrder | undefined {
  return state.open.find((o) => o.order === order);
}

function issue(state: HostQueue, order: Order, at: number): readonly HostQueueEvent[] {
  if (find(state, order.order) || state.done.some((o) => o.order === order.order)) return [];
  const why = whyNot(state, order, at);
  if (why) return [{ type: 'completed', order, failure: why, by: 'edge' }];
  return [...fenced(state, order.fence), { type: 'queued', order }];
}

/** Why the order must not be begun at all. */
function whyNot(state: HostQueue, order: Order, at: number): Failure | undefined {
  if (order.fence > 0 && order.fence < state.fence) {
    const message = `the order belongs to a run (fence ${order.fence}) that a newer one (fence ${state.fence}) has overtaken`;
    return failure('FENCE_TOO_LOW', message, '', { fence: String(order.fence), newest: String(state.fence) });
  }
  const isUndone = (o: DoneOrder): boolean => o.action === 'roll-back' && o.pair === order.pair;
  if (order.action === 'install' && [...state.open, ...state.done].some(isUndone)) {
    return failure('SUPERSEDED', 'the run is being rolled back; the install is not begun any more');
  }
  if (order.deadlineAt <= at) return timedOut(order);
  if (state.open.length < OPEN_MAX) return undefined;
  return failure('TOO_MANY_ORDERS', `${OPEN_MAX} orders wait for the host already; look why it does not finish them`);
}

function timedOut({ order, deadlineAt }: Order): Failure {
  const message = `the host did not finish ${order} by ${new Date(deadlineAt).toISOString()}; look whether it is switched on`;
  return failure('TIMED_OUT', message);
}

function finish(state: HostQueue, command: Extract<HostQueueCommand, { type: 'finish' }>): readonly HostQueueEvent[] {
  const version = command.installedVersion === undefined ? [] : seen(state, command.installedVersion);
  const order = find(state, command.order);
  if (!order) return version;
  const outcome = command.failure ? { failure: command.failure } : {};
  return [...version, { type: 'completed', order, ...outcome, by: 'agent' }];
}

function seen(state: HostQueue, version: string): readonly HostQueueEvent[] {
  return version === state.installedVersion ? [] : [{ type: 'version-seen', version }];
}

function fenced(state: HostQueue, fence: number): readonly HostQueueEvent[] {
  return fence > state.fence ? [{ type: 'fence-seen', fence }] : [];
}

function evolve(state: HostQueue, event: HostQueueEvent): HostQueue {
  switch (event.type) {
    case 'queued':
      return { ...state, open: [...state.open, { ...event.order, state: 'pending', step: '' }] };
    case 'accepted':
      return withOrder(state, event.order, (o) => ({ ...o, state: 'accepted' }));
    case 'progressed':
      return withOrder(state, event.order.order, (o) => ({ ...o, state: 'accepted', step: event.step }));
    case 'completed': {
      const { order, action, pair } = event.order;
      const done = [...state.done, { order, action, pair }].slice(-DONE_KEPT);
      return { ...state, open: state.open.filter((o) => o.order !== order), done };
    }
    case 'version-seen':
      return { ...state, installedVersion: event.version };
    case 'fence-seen':
      return { ...state, fence: event.fence };
    default:
      return assertNever(event);
  }
}

function withOrder(state: HostQueue, order: string, change: (order: OpenOrder) => OpenOrder): HostQueue {
  return { ...state, open: state.open.map((o) => (o.order === order ? change(o) : o)) };
}

/** When something has to be done although the host is silent. */
export function queueDueAt(state: HostQueue, graceMs: number): number | undefined {
  const due = state.open.map((o) => o.deadlineAt + (o.state === 'accepted' ? graceMs : 0));
  return due.length > 0 ? Math.min(...due) : undefined;
}

export const hostQueue: Decider<HostQueue, HostQueueCommand, HostQueueEvent> = {
  initial: { fence: 0, installedVersion: '', open: [], done: [] },
  decide,
  evolve,
};
