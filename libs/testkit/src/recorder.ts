import { setTimeout as delay } from 'node:timers/promises';

/*
 * What arrived so far, and waiting for what is still to come. The wait ends with the arrival; the time only bounds it.
 */

export interface Recorder<T> {
  readonly items: readonly T[];
  add(item: T): void;
  /** The first item, of those that came already too, that fits. Rejects when none came in time. */
  until(fits: (item: T) => boolean, timeoutMs: number, what: () => string): Promise<T>;
  /** Rejects whoever waits. */
  close(reason: string): void;
}

interface Waiter<T> {
  fits(item: T): boolean;
  resolve(item: T): void;
  reject(error: Error): void;
}

export function createRecorder<T>(): Recorder<T> {
  const items: T[] = [];
  const waiters = new Set<Waiter<T>>();
  let closed: string | undefined;

  return {
    items,
    add: (item) => {
      items.push(item);
      for (const waiter of waiters) if (waiter.fits(item)) waiter.resolve(item);
    },
    until: async (fits, timeoutMs, what) => {
      const found = items.find(fits);
      if (found !== undefined) return found;
      if (closed !== undefined) throw new Error(`${closed}, and there was never ${what()}`);
      return waitFor(waiters, fits, timeoutMs, what);
    },
    close: (reason) => {
      closed = reason;
      for (const waiter of waiters) waiter.reject(new Error(reason));
    },
  };
}

async function waitFor<T>(
  waiters: Set<Waiter<T>>,
  fits: (item: T) => boolean,
  timeoutMs: number,
  what: () => string,
): Promise<T> {
  const over = new AbortController();
  let mine: Waiter<T> | undefined;
  const arrived = new Promise<T>((resolve, reject) => {
    mine = { fits, resolve, reject: (error) => reject(new Error(`${error.message}, and there was never ${what()}`)) };
    waiters.add(mine);
  });
  const late = delay(timeoutMs, undefined, { signal: over.signal }).then(() => {
    throw new Error(`within ${timeoutMs} ms there was no ${what()}`);
  });
  // Abandoned on purpose when the item arrived first.
  late.catch(() => undefined);
  try {
    return await Promise.race([arrived, late]);
  } finally {
    over.abort();
    if (mine) waiters.delete(mine);
  }
}
