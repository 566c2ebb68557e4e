/*
 * What this side knows of the server's clock. Every message says when it was sent; it arrived some time later, so the server's clock
 * is at least that far ahead. An answer was given after it was asked for, so it is at most that far ahead. Between the two bounds lies
 * the truth, whatever the own clock says; the narrowest bounds of the stream's life are kept.
 */

export interface ServerClock {
  /** Server's clock minus ours, at least. */
  readonly low: number;
  /** At most; Infinity until an answer was timed. */
  readonly high: number;
  /** When the bounds were true, by our clock. */
  readonly at: number;
}

export interface TimeHeard {
  /** By the server's clock, whole milliseconds. */
  readonly serverTime: number;
  readonly receivedAt: number;
  /** When it was asked for, if it is an answer that the server gives at once. */
  readonly askedAt?: number | undefined;
}

/** Two clocks drift apart by at most this much; what was learnt long ago counts for less. */
const DRIFT = 200e-6;

export function learnTime(known: ServerClock | undefined, heard: TimeHeard): ServerClock {
  const { serverTime, receivedAt: at, askedAt } = heard;
  // The server's milliseconds are cut off, so it may have been nearly one more.
  const fresh = { low: serverTime - at, high: askedAt === undefined ? Infinity : serverTime + 1 - askedAt, at };
  if (!known) return fresh;
  const drifted = Math.max(0, at - known.at) * DRIFT;
  const low = Math.max(known.low - drifted, fresh.low);
  const high = Math.min(known.high + drifted, fresh.high);
  // They contradict each other: one of the clocks was set, this machine slept, or another server answers now.
  return low > high ? fresh : { low, high, at };
}

/** The best guess: server's clock minus ours, in milliseconds. 0 as long as nothing is known. */
export function clockOffset(known: ServerClock | undefined): number {
  if (!known) return 0;
  return known.high === Infinity ? known.low : (known.low + known.high) / 2;
}

/** How wrong the guess can be. */
export function clockError(known: ServerClock | undefined): number {
  return known ? (known.high - known.low) / 2 : Infinity;
}
