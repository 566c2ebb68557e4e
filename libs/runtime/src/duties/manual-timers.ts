import { createManualClock } from '@lastcall/kernel';
import type { Timers } from './timers.js';

/** Timers that stand until they are moved; for tests. */
export interface ManualTimers extends Timers {
  /** Moves the clock and fires what is due, in order, waiting after each until what it set off has settled. */
  advance(ms: number): Promise<void>;
  /** Milliseconds until the next timer; undefined: none is set. */
  nextInMs(): number | undefined;
}

export function createManualTimers(at?: number): ManualTimers {
  const clock = createManualClock(at);
  const pending = new Set<{ at: number; call: () => void }>();
  const next = () => [...pending].toSorted((a, b) => a.at - b.at)[0];

  return {
    now: () => clock.now(),
    after: (delayMs, call) => {
      const timer = { at: clock.now() + Math.max(0, delayMs), call };
      pending.add(timer);
      return () => pending.delete(timer);
    },
    advance: async (ms) => {
      const until = clock.now() + ms;
      await settle();
      for (let timer = next(); timer && timer.at <= until; timer = next()) {
        clock.set(timer.at);
        pending.delete(timer);
        timer.call();
        await settle();
      }
      clock.set(until);
    },
    nextInMs: () => {
      const timer = next();
      return timer && timer.at - clock.now();
    },
  };
}

/** Lets everything run that waits for nothing but its turn. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
