/*
 * Instants are integer milliseconds since the epoch (names end in `At`), durations are integer milliseconds (names end
 * in `Ms`). Both survive JSON, compare with `<`, and have no zone. Zones enter only where people read or write times.
 */

/** Where the present comes from. Tests pass a manual one. */
export interface Clock {
  /** Now, milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** A clock that stands until it is moved. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
  set(at: number): void;
}

export function createManualClock(at = Date.UTC(2026, 0, 1)): ManualClock {
  let now = at;
  return {
    now: () => now,
    advance: (ms) => {
      now += ms;
    },
    set: (next) => {
      now = next;
    },
  };
}

/**
 * Delay before attempt `attempt` (1 is the first repetition): exponential with full jitter, so that many who failed
 * together do not come back together.
 */
export function backoffMs(attempt: number, random: number, baseMs = 50, maxMs = 5_000): number {
  return Math.floor(random * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 20)));
}
