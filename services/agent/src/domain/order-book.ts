import { assertNever, failure, reject, type Decider, type Failure, type Rejected } from '@lastcall/kernel';
import {
  isLocal,
  planOf,
  type ActionKind,
  type Evidence,
  type LeftOver,
  type Order,
  type OrderResult,
  type Step,
  type StepEvidence,
} from './order.js';

/*
 * The orders of one host. Owns the rules: one order at a time, in order of arrival, but facts are answered while a release is staged; a repeat changes nothing; an order with a lower
 * fence than the highest seen is refused, when it arrives and again when its turn comes; past its deadline an
 * order is not begun; an order that was begun goes through its steps in their order and ends once. What happened is in the journal
 * before anything else happens, so this state is what a restarted agent continues from.
 */

export type OrderState =
  | { readonly phase: 'waiting'; readonly order: Order; readonly acceptedAt: number }
  | {
      readonly phase: 'running';
      readonly order: Order;
      /** Version that was installed when it was begun: the one that a failed install goes back to. Empty for none. */
      readonly fromVersion: string;
      /** The step that has begun and not ended. */
      readonly step?: Step;
      readonly done: readonly StepEvidence[];
      readonly dataChanged: boolean;
      /** A rollback of an install that never came to the data: what users entered since the backup must stay. */
      readonly dataUntouched: boolean;
      readonly evidence?: Evidence;
      readonly leftOvers?: readonly LeftOver[];
    }
  | { readonly phase: 'finished'; readonly order: Order; readonly result: OrderResult; readonly stored: boolean };

export type RunningOrder = Extract<OrderState, { phase: 'running' }>;

export interface OrderBook {
  /** Highest fence of an order that was accepted. */
  readonly fence: number;
  /** Runs whose install has begun to migrate on this host. */
  readonly migratedRuns: ReadonlySet<string>;
  /** In order of arrival. */
  readonly orders: ReadonlyMap<string, OrderState>;
}

/** Whose orders these are. */
export interface HostName {
  readonly installation: string;
  readonly host: string;
  readonly product: string;
}

export type OrderCommand =
  | { readonly type: 'receive'; readonly order: Order; readonly at: number; readonly installedVersion: string }
  | { readonly type: 'begin'; readonly order: string; readonly at: number; readonly installedVersion: string }
  | { readonly type: 'begin-step'; readonly order: string; readonly step: Step; readonly at: number }
  | {
      readonly type: 'end-step';
      readonly order: string;
      readonly step: Step;
      readonly durationMs: number;
      readonly dataChanged?: boolean;
      readonly evidence?: Evidence;
      readonly leftOvers?: readonly LeftOver[];
    }
  | {
      readonly type: 'finish';
      readonly order: string;
      readonly at: number;
      readonly installedVersion: string;
      readonly failure?: Failure;
    }
  | { readonly type: 'confirm'; readonly order: string };

export type OrderEvent =
  | { readonly type: 'accepted'; readonly order: Order; readonly at: number }
  | { readonly type: 'refused'; readonly order: Order; readonly result: OrderResult }
  | {
      readonly type: 'begun';
      readonly order: string;
      readonly at: number;
      readonly fromVersion: string;
      /** Absent in journals of older agents: then the data is taken for changed. */
      readonly dataUntouched?: boolean;
    }
  | { readonly type: 'step-begun'; readonly order: string; readonly step: Step; readonly at: number }
  | {
      readonly type: 'step-ended';
      readonly order: string;
      readonly step: Step;
      readonly durationMs: number;
      readonly dataChanged: boolean;
      readonly evidence?: Evidence;
      readonly leftOvers?: readonly LeftOver[];
    }
  | { readonly type: 'finished'; readonly order: string; readonly result: OrderResult }
  | { readonly type: 'stored'; readonly order: string };

const EVENT_TYPES: Readonly<Record<OrderEvent['type'], true>> = {
  accepted: true,
  refused: true,
  begun: true,
  'step-begun': true,
  'step-ended': true,
  finished: true,
  stored: true,
};

/**
 * An event as a newer agent may have recorded it, before this one came back: what this one does not know is passed over (undefined), and an order
 * for something that it cannot do is one that it cannot use.
 */
export function readOrderEvent(recorded: OrderEvent): OrderEvent | undefined {
  if (!Object.hasOwn(EVENT_TYPES, recorded.type)) return undefined;
  if (recorded.type !== 'accepted' && recorded.type !== 'refused') return recorded;
  const { order } = recorded;
  if ((planOf(order.action) as readonly Step[] | undefined) !== undefined) return recorded;
  const message = `the order is for something that only a newer agent can do: ${String(order.action.kind).slice(0, 40)}`;
  return { ...recorded, order: { ...order, action: { kind: 'unusable', reason: 'UNKNOWN_ACTION', message } } };
}

type Decision = readonly OrderEvent[] | Rejected;

/** Where an order stands in its plan: the step to do next, undefined when all are done. */
export function nextStep(state: RunningOrder): Step | undefined {
  const plan = planOf(state.order.action);
  // By name and not by count: an older agent may have begun the order with fewer steps.
  const last = state.done.at(-1);
  return plan[last ? plan.indexOf(last.step) + 1 : 0];
}

export type OpenOrder = Exclude<OrderState, { phase: 'finished' }>;

/** The orders whose turn it is: those that run, and those of the waiting, in order of arrival, that may run beside them. */
export function dueOrders(book: OrderBook): readonly OpenOrder[] {
  const open = [...book.orders.values()].filter((state) => state.phase !== 'finished');
  const due: OpenOrder[] = open.filter(({ phase }) => phase === 'running');
  for (const state of open.filter(({ phase }) => phase === 'waiting')) {
    if (due.every((other) => mayRunBeside(other, state))) due.push(state);
    // Nobody overtakes an order that has to be alone.
    else if (!isQuiet(state)) break;
  }
  return due;
}

/** It changes nothing that another order depends on. */
function isQuiet({ order }: OpenOrder): boolean {
  return order.action.kind === 'collect-facts' || order.action.kind === 'stage-release';
}

/** A download may take hours, and facts are wanted now. Everything else is alone. */
function mayRunBeside(one: OpenOrder, other: OpenOrder): boolean {
  return isQuiet(one) && isQuiet(other) && one.order.action.kind !== other.order.action.kind;
}

export function createOrderBook(host: HostName): Decider<OrderBook, OrderCommand, OrderEvent> {
  return {
    initial: { fence: 0, migratedRuns: new Set(), orders: new Map() },
    decide: (book, command) => decide(host, book, command),
    evolve,
  };
}

function decide(host: HostName, book: OrderBook, command: OrderCommand): Decision {
  if (command.type === 'receive') return receive(host, book, command);
  const state = book.orders.get(command.order);
  if (!state) return misused(`order ${command.order} is not known`);
  switch (command.type) {
    case 'begin':
      return begin(host, book, state, command);
    case 'begin-step':
      if (state.phase !== 'running' || nextStep(state) !== command.step) return misused(`${command.step} is not next`);
      if (tooLate(host, state.order, command.at)) return misused(`${command.step} would begin after the deadline`);
      return [{ type: 'step-begun', order: command.order, step: command.step, at: command.at }];
    case 'end-step':
      if (state.phase !== 'running' || state.step !== command.step) return misused(`${command.step} has not begun`);
      return [{ dataChanged: false, ...command, type: 'step-ended' }];
    case 'finish':
      return finish(host, state, command);
    case 'confirm':
      return state.phase === 'finished' && !state.stored ? [{ type: 'stored', order: command.order }] : [];
    default:
      return assertNever(command);
  }
}

type Receive = Extract<OrderCommand, { type: 'receive' }>;

function receive(host: HostName, book: OrderBook, { order, at, installedVersion }: Receive): Decision {
  if (book.orders.has(order.order)) return [];
  const refusal = misdirected(host, order) ?? fencedOff(host, book, order);
  if (!refusal) return [{ type: 'accepted', order, at }];
  return [{ type: 'refused', order, result: { failure: refusal, installedVersion, finishedAt: at } }];
}

function begin(
  host: HostName,
  book: OrderBook,
  state: OrderState,
  { order, at, installedVersion }: Extract<OrderCommand, { type: 'begin' }>,
): Decision {
  if (state.phase !== 'waiting') return [];
  if (!dueOrders(book).some((due) => due === state)) return misused(`it is not the turn of ${order}`);
  const refusal = unusable(host, state.order) ?? fencedOff(host, book, state.order) ?? tooLate(host, state.order, at);
  const dataUntouched = neverCameToData(book, state.order);
  if (!refusal) return [{ type: 'begun', order, at, fromVersion: installedVersion, dataUntouched }];
  return [{ type: 'finished', order, result: { failure: refusal, installedVersion, finishedAt: at } }];
}

/** A rollback whose install is known here and never began to migrate. Whatever else is not known counts as changed. */
function neverCameToData(book: OrderBook, { action, run }: Order): boolean {
  if (action.kind !== 'roll-back-release' || run === '' || book.migratedRuns.has(run)) return false;
  return [...book.orders.values()].some((s) => s.order.run === run && INSTALLS.includes(s.order.action.kind));
}

const INSTALLS: readonly ActionKind[] = ['install-release', 'downgrade-release'];

/** Whether the install of a run reaches the data with this step. */
function reachesData({ action, run }: Order, step: Step): boolean {
  return run !== '' && (step === 'migrate' || (step === 'restore' && action.kind === 'downgrade-release'));
}

function finish(host: HostName, state: OrderState, command: Extract<OrderCommand, { type: 'finish' }>): Decision {
  if (state.phase === 'finished') return [];
  if (state.phase === 'waiting') return misused(`${command.order} was not begun`);
  if (!command.failure && nextStep(state) !== undefined) return misused(`${command.order} has steps left`);
  const evidence = evidenceOf(state);
  // A newer agent may have begun what this one does not know.
  const why = command.failure ?? unusable(host, state.order);
  const result: OrderResult = {
    ...(why && { failure: why }),
    installedVersion: command.installedVersion,
    finishedAt: command.at,
    ...(evidence && { evidence }),
  };
  return [{ type: 'finished', order: command.order, result }];
}

/** Steps are evidence of an install or a rollback even when it failed: they say how far it came. */
function evidenceOf({ order, done, dataChanged, evidence, leftOvers }: RunningOrder): Evidence | undefined {
  const { kind } = order.action;
  if (!INSTALLS.includes(kind) && kind !== 'roll-back-release' && kind !== 'restore-backup') return evidence;
  return { kind: 'install', steps: done, dataChanged, ...(leftOvers && { leftOvers }) };
}

function misdirected(host: HostName, order: Order): Failure | undefined {
  const { action } = order;
  if (order.installation !== host.installation || order.host !== host.host) {
    const message = `the order is for ${order.installation}/${order.host}, this host is ${host.installation}/${host.host}`;
    return failure('WRONG_HOST', message, host.host);
  }
  if (action.kind === 'unusable') return unusable(host, order);
  if (action.kind !== 'update-agent' && action.product !== host.product) {
    return failure('WRONG_PRODUCT', `the order is about ${action.product}, this host runs ${host.product}`, host.host);
  }
  return undefined;
}

function unusable(host: HostName, { action }: Order): Failure | undefined {
  return action.kind === 'unusable' ? failure(action.reason, action.message, host.host) : undefined;
}

function fencedOff(host: HostName, book: OrderBook, order: Order): Failure | undefined {
  if (order.fence === 0 || order.fence >= book.fence) return undefined;
  const message = `the order has fence ${order.fence} and this host has seen ${book.fence}: a later run has taken over`;
  return failure('FENCE_TOO_LOW', message, host.host, { fence: String(order.fence), highest: String(book.fence) });
}

/** Why no further step of an order may begin. Whoever gave it has given it up and may have decided otherwise since. */
export function overdue(host: HostName, { order }: RunningOrder, at: number): Failure | undefined {
  return tooLate(host, order, at, 'the order had to be finished');
}

function tooLate(host: HostName, order: Order, at: number, what = 'the order had to be begun'): Failure | undefined {
  if (order.deadlineAt === 0 || at <= order.deadlineAt) return undefined;
  const deadline = new Date(order.deadlineAt).toISOString();
  return failure('DEADLINE_PASSED', `${what} before ${deadline}; nothing more is done`, host.host, {
    deadline,
  });
}

function misused(why: string): Rejected {
  return reject('refused', 'ORDER_OUT_OF_TURN', why);
}

function evolve(book: OrderBook, event: OrderEvent): OrderBook {
  switch (event.type) {
    case 'accepted': {
      const { order, at: acceptedAt } = event;
      const fence = Math.max(book.fence, order.fence);
      return { ...book, fence, orders: withOrder(book, order.order, { phase: 'waiting', order, acceptedAt }) };
    }
    case 'refused': {
      const { order, result } = event;
      return { ...book, orders: withOrder(book, order.order, { phase: 'finished', order, result, stored: false }) };
    }
    default: {
      const state = book.orders.get(event.order);
      if (!state) return book;
      const orders = withOrder(book, event.order, evolveOrder(state, event));
      const migrates = event.type === 'step-begun' && reachesData(state.order, event.step);
      return migrates
        ? { ...book, orders, migratedRuns: new Set(book.migratedRuns).add(state.order.run) }
        : { ...book, orders };
    }
  }
}

function evolveOrder(state: OrderState, event: Exclude<OrderEvent, { type: 'accepted' | 'refused' }>): OrderState {
  const { order } = state;
  switch (event.type) {
    case 'begun': {
      const { fromVersion, dataUntouched = false } = event;
      return { phase: 'running', order, fromVersion, done: [], dataChanged: false, dataUntouched };
    }
    case 'step-begun':
      return state.phase === 'running' ? { ...state, step: event.step } : state;
    case 'step-ended':
      return state.phase === 'running' ? afterStep(state, event) : state;
    case 'finished':
      // Nobody else has heard of a local order, so nobody else has to store what came of it.
      return { phase: 'finished', order, result: event.result, stored: isLocal(order.order) };
    case 'stored':
      return state.phase === 'finished' ? { ...state, stored: true } : state;
    default:
      return assertNever(event);
  }
}

function afterStep(state: RunningOrder, event: Extract<OrderEvent, { type: 'step-ended' }>): RunningOrder {
  const { step: _, ...rest } = state;
  return {
    ...rest,
    done: [...state.done, { step: event.step, durationMs: event.durationMs }],
    dataChanged: state.dataChanged || event.dataChanged,
    ...(event.evidence && { evidence: event.evidence }),
    ...(event.leftOvers && { leftOvers: event.leftOvers }),
  };
}

function withOrder(book: OrderBook, id: string, state: OrderState): ReadonlyMap<string, OrderState> {
  return new Map(book.orders).set(id, state);
}
