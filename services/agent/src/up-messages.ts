import type { hostEdgeV1 } from '@lastcall/contracts';
import type { OrderEvent, OrderState } from './domain/order-book.js';
import { isLocal, type LeftOver, type OnLocalStep, type Step } from './domain/order.js';
import { AGENT_VERSION } from './version.js';
import { resultToWire } from './wire.js';

/*
 * What goes up the stream: who this is, and what becomes of orders. Orders that were given on the host itself are nobody else's business.
 */

export type Up = NonNullable<hostEdgeV1.ConnectRequest['message']>;
export type Send = (message: Up) => void;

const PROGRESS_EVERY_MS = 500;

export function hello(installedVersion: string, fence: number): hostEdgeV1.AgentHello {
  return { agentVersion: AGENT_VERSION, platform: `${process.platform}-${process.arch}`, installedVersion, fence };
}

/** An order that is not finished was accepted; one that is has its recorded result, whoever asks again. */
export function answerTo(state: OrderState): Up {
  const { order } = state.order;
  if (state.phase !== 'finished') return { $case: 'accepted', value: { order } };
  return { $case: 'result', value: { order, result: resultToWire(state.result) } };
}

export function report(event: OrderEvent, send: Send): void {
  if (typeof event.order !== 'string' || isLocal(event.order)) return;
  if (event.type === 'step-begun') send(progress(event.order, event.step, 0, 0));
  if (event.type === 'step-ended' && event.leftOvers) send(cleared(event.order, event.leftOvers));
  if (event.type !== 'finished') return;
  send({ $case: 'result', value: { order: event.order, result: resultToWire(event.result) } });
}

/** For the report of the run: the next version may have stopped too little as well. */
function cleared(order: string, leftOvers: readonly LeftOver[]): Up {
  const count = BigInt(leftOvers.length);
  const names = leftOvers.map(({ pid, command, ended }) => `${pid} ${lastOf(command)} (${ended})`).join(', ');
  const note = `processes that the stop command had left running were ended: ${names}`.slice(0, 1_000);
  return { $case: 'progress', value: { order, progress: { step: 'cleared', done: count, total: count, note } } };
}

const SHOWN_CHARS = 80;

/** The end of a command line says most. */
function lastOf(command: string): string {
  return command.length > SHOWN_CHARS ? `…${command.slice(1 - SHOWN_CHARS)}` : command;
}

function progress(order: string, step: string, done: number, total: number): Up {
  return {
    $case: 'progress',
    value: { order, progress: { step, done: BigInt(Math.max(done, 0)), total: BigInt(total), note: '' } },
  };
}

/** Bytes arrive by the thousands; the last one of a step is always told. */
export function throttledProgress(send: Send, onLocalStep: OnLocalStep | undefined) {
  let last = 0;
  return (order: string, step: Step, done: number, total: number): void => {
    if (isLocal(order)) return onLocalStep?.(step, done, total);
    if (done < total && Date.now() - last < PROGRESS_EVERY_MS) return;
    last = Date.now();
    send(progress(order, step, done, total));
  };
}
