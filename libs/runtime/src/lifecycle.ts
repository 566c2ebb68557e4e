import { Fault } from '@lastcall/kernel';
import type { Logger } from './logging.js';

/*
 * The one start/stop contract. `start` resolves when a part is ready, `stop` waits, both are safe twice. What was started last
 * stops first. Each step has bounded time: one that hangs is named and left behind.
 */

export interface LifecyclePart {
  readonly name: string;
  start?(): Promise<void>;
  stop?(): Promise<void>;
}

export interface Lifecycle {
  /** Starts a part and remembers to stop it, also when its start fails half way. */
  start(part: LifecyclePart): Promise<void>;
  /** Stops everything in reverse order. A part that does not stop is logged; the others stop all the same. */
  stop(): Promise<void>;
}

export interface LifecycleLimits {
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

export function createLifecycle(log: Logger, limits: LifecycleLimits): Lifecycle {
  const started: LifecyclePart[] = [];
  let stopping: Promise<void> | undefined;

  async function stopAll(): Promise<void> {
    for (let part = started.pop(); part; part = started.pop()) {
      try {
        await within(part.stop?.(), limits.stopTimeoutMs, `the stop of ${part.name}`);
      } catch (error) {
        log.error({ err: error, part: part.name }, 'a part did not stop cleanly');
      }
    }
  }

  return {
    start: async (part) => {
      if (stopping) throw new Fault(`stopped before ${part.name} was started`);
      started.push(part);
      await within(part.start?.(), limits.startTimeoutMs, `the start of ${part.name}`);
      // Stopped meanwhile: the stop has this part on its list.
      if (stopping) throw new Fault(`stopped while ${part.name} was starting`);
    },
    stop: () => (stopping ??= stopAll()),
  };
}

/** Waits for a promise, but not for ever. */
export async function within(work: Promise<void> | undefined, timeoutMs: number, what: string): Promise<void> {
  if (!work) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Fault(`${what} took longer than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
