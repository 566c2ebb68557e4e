import type { Bus, Subscription } from '@lastcall/bus';
import { BROADCASTS } from '@lastcall/contracts';

/*
 * Tells whoever watches a run, on any replica, that it has changed. Nothing is lost when a message is: a watcher looks by itself
 * every two seconds.
 */

const TOPIC = BROADCASTS.scheduler.runs;
const LOOK_EVERY_MS = 2_000;

export interface RunChanges {
  /** Says that the run has changed. */
  say(run: string): void;
  /** Yields at once, then after each change and at least every two seconds, until the signal. */
  of(run: string, signal: AbortSignal): AsyncIterable<void>;
  stop(): Promise<void>;
}

export async function createRunChanges(bus: Bus, onError: (cause: unknown) => void): Promise<RunChanges> {
  const watchers = new Map<string, Set<() => void>>();
  const wake = (run: string) => watchers.get(run)?.forEach((watcher) => watcher());
  const subscription: Subscription = await bus.listen(TOPIC, (data) => wake(Buffer.from(data).toString('utf8')));
  return {
    say: (run) => {
      bus.broadcast(TOPIC, Buffer.from(run, 'utf8')).catch(onError);
    },
    of: async function* (run, signal) {
      while (!signal.aborted) {
        const changed = nextChange(watchers, run, signal);
        yield;
        await changed;
      }
    },
    stop: () => subscription.stop(),
  };
}

/** Registered before the watcher looks, so that a change while it looks is not missed. */
function nextChange(watchers: Map<string, Set<() => void>>, run: string, signal: AbortSignal): Promise<void> {
  const set = watchers.get(run) ?? new Set();
  watchers.set(run, set);
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      set.delete(done);
      if (set.size === 0) watchers.delete(run);
      resolve();
    };
    const timer = setTimeout(done, LOOK_EVERY_MS);
    signal.addEventListener('abort', done, { once: true });
    set.add(done);
  });
}
