import { backoffMs, systemClock, type Clock } from '@lastcall/kernel';
import { withoutLogContext } from '../log-context.js';
import type { Logger } from '../logging.js';

/*
 * The only place that waits. What repeats in the background gets its waits from here, so that a test can hold the clock in
 * its hand.
 */

export interface Timers extends Clock {
  /** Calls once after `delayMs`; the answer cancels. */
  after(delayMs: number, call: () => void): () => void;
}

/** Longest wait that a timer of Node takes; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export const systemTimers: Timers = {
  now: () => systemClock.now(),
  after: (delayMs, call) => {
    const timer = setTimeout(call, Math.min(Math.max(0, delayMs), LONGEST_MS));
    return () => clearTimeout(timer);
  },
};

export interface PollerOptions {
  readonly name: string;
  readonly timers: Timers;
  readonly everyMs: number;
  readonly log: Logger;
  readonly random?: () => number;
  /** Answers when it wants to run next (milliseconds since the epoch), or nothing. */
  run(signal: AbortSignal): Promise<number | undefined | void>;
  /** What answered times are compared with; default the timers' clock. */
  readonly now?: () => number;
  /** Told after each run. */
  onRun?(failed: boolean): void;
}

export interface Poller {
  start(): void;
  /** Runs now, or once more if it runs already. */
  wake(): void;
  /** Aborts the run that is under way and waits for it. */
  stop(): Promise<void>;
}

/** A repeated wake-up never spins: an answered time in the past means soon, not now and again. */
const SHORTEST_MS = 5;

/**
 * Runs one thing again and again, never two at once: at the start, when woken, at the time that it answered, and at least
 * every `everyMs` (a tenth more or less, so that replicas do not march in step). After an error it waits with backoff.
 */
export function createPoller(options: PollerOptions): Poller {
  const { timers, log, name } = options;
  const random = options.random ?? Math.random;
  const now = options.now ?? (() => timers.now());
  const abort = new AbortController();
  let running = false;
  let ended: Promise<void> = Promise.resolve();
  let cancelTimer: (() => void) | undefined;
  let woken = false;
  let failures = 0;
  let started = false;

  function wake(): void {
    woken = true;
    // A wake-up during backoff must not turn a failure into a storm: it is served when the wait is over.
    if (failures === 0) tick();
  }

  function tick(): void {
    if (!started || running || abort.signal.aborted) return;
    cancelTimer?.();
    running = true;
    // Whoever woke it may be a call or an event; what is done now is not about that alone.
    ended = withoutLogContext(cycle).finally(() => {
      running = false;
      // Woken between the last look at `woken` and here.
      if (woken && failures === 0) tick();
    });
  }

  async function cycle(): Promise<void> {
    let waitMs: number;
    do {
      woken = false;
      waitMs = await once();
    } while (woken && failures === 0 && !abort.signal.aborted);
    if (!abort.signal.aborted) cancelTimer = timers.after(waitMs, tick);
  }

  async function once(): Promise<number> {
    try {
      const nextAt = await options.run(abort.signal);
      failures = 0;
      options.onRun?.(false);
      const everyMs = options.everyMs * (0.9 + 0.2 * random());
      return nextAt === undefined ? everyMs : Math.max(SHORTEST_MS, Math.min(everyMs, nextAt - now()));
    } catch (error) {
      if (abort.signal.aborted) return 0;
      failures++;
      options.onRun?.(true);
      log.error({ err: error, duty: name, failures }, 'a background duty failed and will be repeated');
      return Math.max(SHORTEST_MS, backoffMs(failures, random(), 100, Math.min(options.everyMs, 10_000)));
    }
  }

  return {
    start: () => {
      started = true;
      tick();
    },
    wake,
    stop: async () => {
      abort.abort();
      cancelTimer?.();
      await ended;
    },
  };
}
