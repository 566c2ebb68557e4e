import { setTimeout as delay } from 'node:timers/promises';
import { OperationFailed } from './failures.js';

/** Asks until the answer is there; gives up after the time limit with what was waited for. */
export async function poll<T>(
  read: () => Promise<T>,
  isThere: (value: T) => boolean,
  { everyMs = 300, timeoutMs, what }: { everyMs?: number; timeoutMs: number; what: string },
): Promise<T> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (isThere(value)) return value;
    if (Date.now() + everyMs > until)
      throw new OperationFailed(`${what} is not done after ${Math.round(timeoutMs / 1000)} s`);
    await delay(everyMs);
  }
}
