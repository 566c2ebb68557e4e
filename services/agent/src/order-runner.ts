import { Defect, failure, type Failure } from '@lastcall/kernel';
import { endLeftOvers, markOf } from './commands/left-over.js';
import {
  dueOrders,
  nextStep,
  overdue,
  type OpenOrder,
  type OrderCommand,
  type OrderEvent,
  type RunningOrder,
} from './domain/order-book.js';
import { mayRepeat, type Order, type Step } from './domain/order.js';
import type { HostRecord } from './host-record.js';
import { isOutOfSpace, type Journal } from './journal.js';
import type { Layout } from './layout.js';
import type { Log } from './log.js';
import type { Releases } from './releases.js';
import { giveUpReserve, keepReserve } from './reserve.js';
import { Interrupted, toStepFailure } from './step-failure.js';
import type { StepContext, StepOutcome, Steps } from './step-context.js';

/*
 * Works off the orders in the journal as their turn comes. What is going to happen is recorded before it happens and what has happened right
 * after, so that another process can go on from any point: a step that had begun is begun again, after the processes that
 * it left behind were ended. Tells whoever listens what was recorded.
 */

export interface OrderRunnerParts {
  readonly layout: Layout;
  readonly record: HostRecord;
  readonly journal: Journal;
  readonly releases: Releases;
  readonly steps: Steps;
  readonly log: Log;
  /** Called after something was recorded. */
  readonly onEvent: (event: OrderEvent) => void;
  readonly onProgress: (order: string, step: Step, done: number, total: number) => void;
}

export interface OrderRunner {
  /** Records an order and makes sure that it is worked off. A repeat changes nothing. */
  receive(order: Order): Promise<void>;
  confirm(order: string): void;
  start(): void;
  /** Resolves when nothing runs any more; an order that was not finished is continued by the next start. */
  stop(): Promise<void>;
  /** Resolves when no order is left; rejects as `failed` does. */
  idle(): Promise<void>;
  /** Rejects when orders cannot be worked off any more: nothing may happen that the journal does not hold. */
  readonly failed: Promise<never>;
}

export function createOrderRunner(parts: OrderRunnerParts): OrderRunner {
  const stopping = new AbortController();
  const inHand = new Map<string, Promise<void>>();
  const record: RecordCommands = (...commands) => {
    const events = recordAnyway(parts, commands);
    for (const event of events) parts.onEvent(event);
    return events;
  };
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Who does not ask must not be ended by it.
  failed.catch(() => undefined);
  const work = (): void => {
    if (stopping.signal.aborted) return;
    for (const state of dueOrders(parts.journal.book)) {
      const id = state.order.order;
      if (!inHand.has(id))
        inHand.set(
          id,
          carryOut(state).finally(() => void (inHand.delete(id), work())),
        );
    }
  };
  const carryOut = (state: OpenOrder): Promise<void> =>
    workOff(parts, record, state, stopping.signal).catch((error: unknown) => {
      if (!(error instanceof Interrupted)) fail(error);
      stopping.abort();
    });
  const working = (): Promise<unknown> => Promise.all(inHand.values());
  return {
    receive: async (order) => {
      const installedVersion = await parts.releases.installedVersion();
      record({ type: 'receive', order, at: Date.now(), installedVersion });
      work();
    },
    confirm: (order) => {
      if (parts.journal.book.orders.has(order)) record({ type: 'confirm', order });
    },
    start: work,
    stop: async () => {
      stopping.abort();
      await working();
    },
    idle: async () => {
      while (inHand.size > 0) await Promise.race([working(), failed]);
      if (stopping.signal.aborted) await failed;
    },
    failed,
  };
}

type RecordCommands = Journal['record'];

/** On a full disk in the space that was kept back: it must be known what happened, and that the disk is full. */
function recordAnyway({ journal, layout, log }: OrderRunnerParts, commands: readonly OrderCommand[]) {
  try {
    return journal.record(...commands);
  } catch (error) {
    if (!isOutOfSpace(error)) throw error;
    log.warn('the disk is full; the space that was kept back is given up', { path: layout.root });
    giveUpReserve(layout);
    return journal.record(...commands);
  }
}

async function workOff(
  parts: OrderRunnerParts,
  record: RecordCommands,
  state: OpenOrder,
  signal: AbortSignal,
): Promise<void> {
  const id = state.order.order;
  const installedVersion = await parts.releases.installedVersion();
  keepReserve(parts.layout);
  if (state.phase === 'waiting') record({ type: 'begin', order: id, at: Date.now(), installedVersion });
  else if (state.step) {
    await clearAway(parts, id, state.step);
    if (!mayRepeat(state.step)) return finish(parts, record, id, interrupted(parts.record.host, state.step));
  }
  await runOrder(parts, record, id, signal);
}

/** Nobody knows how far it came, and whether it may be done again is not the agent's to say. */
function interrupted(host: string, step: Step): Failure {
  const message =
    'the agent or the host went down while the command ran; it was ended, is not run again by itself, and nobody knows how far it came';
  return failure('COMMAND_INTERRUPTED', message, host, { step });
}

async function clearAway({ log }: OrderRunnerParts, order: string, step: Step): Promise<void> {
  const ended = await endLeftOvers(markOf(order, step));
  log.info('order continues', { order, step, endedProcesses: ended });
}

async function runOrder(
  parts: OrderRunnerParts,
  record: RecordCommands,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  for (let state = running(parts, id); state; state = running(parts, id)) {
    const step = nextStep(state);
    if (step === undefined) return finish(parts, record, id);
    if (signal.aborted) throw new Interrupted();
    const late = overdue(parts.record, state, Date.now());
    if (late) return finish(parts, record, id, { ...late, facts: { ...late.facts, step } });
    const problem = await runStep(parts, record, state, step, signal);
    if (problem) return finish(parts, record, id, problem);
  }
}

/** One step, recorded on both sides. Answers why it failed. */
async function runStep(
  parts: OrderRunnerParts,
  record: RecordCommands,
  state: RunningOrder,
  step: Step,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const { order } = state.order;
  const begunAt = Date.now();
  record({ type: 'begin-step', order, step, at: begunAt });
  parts.log.info('step begun', { order, ...partOf(state.order), action: state.order.action.kind, step });
  const onProgress = (done: number, total: number): void => parts.onProgress(order, step, done, total);
  try {
    const outcome = await doStep(parts, { state, step, signal, onProgress });
    record({ type: 'end-step', order, step, durationMs: Date.now() - begunAt, ...outcome });
    parts.log.info('step ended', { order, step, durationMs: Date.now() - begunAt });
    return undefined;
  } catch (error) {
    if (error instanceof Interrupted || error instanceof Defect) throw error;
    const { failure: told } = toStepFailure(error, parts.layout.root);
    if (told.reason === 'DISK_FULL') giveUpReserve(parts.layout);
    parts.log.warn('step failed', { order, step, reason: told.reason, message: told.message });
    return failure(told.reason, told.message, parts.record.host, { ...told.facts, step });
  }
}

async function doStep(parts: OrderRunnerParts, context: StepContext): Promise<StepOutcome> {
  try {
    return await parts.steps(context);
  } catch (error) {
    // Whatever breaks because everything is being stopped is no failure of the order.
    throw context.signal.aborted ? new Interrupted() : error;
  }
}

async function finish(
  parts: OrderRunnerParts,
  record: RecordCommands,
  order: string,
  problem?: Failure,
): Promise<void> {
  const installedVersion = await parts.releases.installedVersion();
  record({ type: 'finish', order, at: Date.now(), installedVersion, ...(problem && { failure: problem }) });
  parts.log.info('order ended', { order, installedVersion, ...(problem && { reason: problem.reason }) });
}

function running(parts: OrderRunnerParts, id: string): RunningOrder | undefined {
  const state = parts.journal.book.orders.get(id);
  return state?.phase === 'running' ? state : undefined;
}

/** What the line of a step carries beside its order, so that it is found with all others of its run. */
function partOf({ run, traceparent, installation, host }: Order): Readonly<Record<string, string>> {
  const trace = traceparent?.split('-')[1];
  return { ...(run && { run }), ...(trace && { trace }), installation, host };
}
