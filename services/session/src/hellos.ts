/*
 * Streams that have not said hello yet. One wheel for all of them: they come and go by the thousand. A credential has so many of them
 * at a time and no more, or somebody who opens streams and says nothing would fill the memory.
 */

export interface Hellos {
  /** Undefined: this credential has too many that say nothing. `giveUp` is called when the hello does not come while it is waited for. */
  expect(token: string, giveUp: (why: GivenUp) => void): Expected | undefined;
  sweep(): void;
  stop(): void;
}

/** The time is over, or this replica stops: neither is a mistake in what the client says. */
export type GivenUp = 'late' | 'stopping';

export interface Expected {
  /** The hello is there, or the stream is gone. Safe twice. */
  done(): void;
}

interface Waiting extends Expected {
  readonly until: number;
  giveUp(why: GivenUp): void;
}

export function createHellos(timeoutMs: number, maxPerToken: number, now: () => number): Hellos {
  const waiting = new Set<Waiting>();
  const byToken = new Map<string, number>();

  function leave(token: string, entry: Waiting): void {
    if (!waiting.delete(entry)) return;
    const others = (byToken.get(token) ?? 1) - 1;
    if (others > 0) byToken.set(token, others);
    else byToken.delete(token);
  }

  return {
    expect: (token, giveUp) => {
      const count = byToken.get(token) ?? 0;
      if (count >= maxPerToken) return undefined;
      byToken.set(token, count + 1);
      const entry: Waiting = { until: now() + timeoutMs, giveUp, done: () => leave(token, entry) };
      waiting.add(entry);
      return entry;
    },
    sweep: () => {
      const at = now();
      // In the order of their times, because all wait equally long.
      for (const entry of waiting) {
        if (entry.until > at) return;
        entry.done();
        entry.giveUp('late');
      }
    },
    stop: () => {
      for (const entry of [...waiting]) {
        entry.done();
        entry.giveUp('stopping');
      }
    },
  };
}
