import type { sessionV1 } from '@lastcall/contracts';

/* Streams that have not said hello yet. One wheel for all of them: they come and go by the thousand. */

export interface Hellos {
  /** The first message; undefined when it did not come in time; 'gone' when the stream ended before it. */
  first(messages: AsyncIterator<sessionV1.AttachRequest>): Promise<sessionV1.AttachRequest | 'gone' | undefined>;
  sweep(): void;
  stop(): void;
}

interface Waiting {
  readonly until: number;
  giveUp(): void;
}

export function createHellos(timeoutMs: number, now: () => number): Hellos {
  const waiting = new Set<Waiting>();
  return {
    first: async (messages) => {
      let giveUp = (): void => undefined;
      const late = new Promise<undefined>((resolve) => (giveUp = () => resolve(undefined)));
      const entry = { until: now() + timeoutMs, giveUp };
      waiting.add(entry);
      try {
        const next = await Promise.race([messages.next(), late]);
        if (!next) return undefined;
        return next.done ? 'gone' : next.value;
      } finally {
        waiting.delete(entry);
      }
    },
    sweep: () => {
      const at = now();
      // In the order of their times, because all wait equally long.
      for (const entry of waiting) {
        if (entry.until > at) return;
        waiting.delete(entry);
        entry.giveUp();
      }
    },
    stop: () => {
      for (const entry of waiting) entry.giveUp();
    },
  };
}
