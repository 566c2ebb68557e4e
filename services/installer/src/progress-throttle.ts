import type { hostEdgeV1 } from '@lastcall/contracts';

/*
 * Progress of the orders of one stream on its way to the store: at most one write an order and interval, the newest word
 * wins. What is dropped on the way is never more than progress; results do not pass here.
 */

export interface ProgressThrottle {
  offer(progress: hostEdgeV1.AgentProgress): Promise<void>;
  /** The order is finished: nothing more is written for it. */
  drop(order: string): void;
  stop(): void;
}

interface Lane {
  readonly timer: NodeJS.Timeout;
  waiting?: hostEdgeV1.AgentProgress;
}

export function createProgressThrottle(
  everyMs: number,
  write: (progress: hostEdgeV1.AgentProgress) => Promise<void>,
  onError: (error: unknown) => void,
): ProgressThrottle {
  const lanes = new Map<string, Lane>();

  function open(order: string): void {
    lanes.set(order, { timer: setTimeout(() => flush(order), everyMs).unref() });
  }

  function flush(order: string): void {
    const waiting = lanes.get(order)?.waiting;
    lanes.delete(order);
    if (!waiting) return;
    open(order);
    write(waiting).catch(onError);
  }

  function drop(order: string): void {
    clearTimeout(lanes.get(order)?.timer);
    lanes.delete(order);
  }

  return {
    offer: async (progress) => {
      const lane = lanes.get(progress.order);
      if (lane) {
        lane.waiting = progress;
        return;
      }
      open(progress.order);
      await write(progress);
    },
    drop,
    stop: () => [...lanes.keys()].forEach(drop),
  };
}
