import { backoffMs, Fault } from '@lastcall/kernel';
import { setTimeout as delay } from 'node:timers/promises';
import { isContention, isUnavailable, toFault } from './mongo-faults.js';

/*
 * Repeats what failed because others write the same document or because the server was away for a moment. Bounded by
 * time: whoever waits (a caller with a deadline, a consumer that is given the event again) hears of a Fault in the end.
 */

export const PATIENCE_MS = 10_000;

export class Patience {
  private readonly stopped = new AbortController();

  constructor(
    private readonly patienceMs = PATIENCE_MS,
    /** Hears how each attempt went, for health. */
    private readonly reached: (server: boolean) => void = () => undefined,
  ) {}

  /** `attempt` must be safe to repeat; each begins by reading how things stand. */
  async repeat<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const until = performance.now() + this.patienceMs;
    for (let failures = 1; ; failures += 1) {
      if (this.stopped.signal.aborted) throw new Fault(`MongoDB: ${what}: the store is closed`);
      try {
        const result = await attempt();
        this.reached(true);
        return result;
      } catch (error) {
        if (isUnavailable(error)) this.reached(false);
        const waitMs = waitBefore(failures, error);
        if (waitMs === undefined || performance.now() + waitMs > until) throw toFault(what, error);
        await this.pause(waitMs);
      }
    }
  }

  /** Ends all waiting at once. */
  stop(): void {
    this.stopped.abort();
  }

  private async pause(ms: number): Promise<void> {
    try {
      await delay(ms, undefined, { signal: this.stopped.signal });
    } catch {
      // Stopped: the loop says so.
    }
  }
}

/** Undefined when repeating does not help. A contended document is free again within milliseconds, a server is not. */
function waitBefore(failures: number, error: unknown): number | undefined {
  if (isContention(error)) return backoffMs(failures, Math.random(), 2, 100);
  if (isUnavailable(error)) return backoffMs(failures, Math.random(), 50, 1_000);
  return undefined;
}
