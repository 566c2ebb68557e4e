/*
 * One clock for all processes of this machine: CLOCK_MONOTONIC, in milliseconds with fractions. Nobody sets it, so differences between
 * processes mean something.
 */

const SAMPLES = 100;

/** One of the two is always read later, so the largest difference is the one with the least between the readings. */
function measureOffset(): number {
  let largest = -Infinity;
  for (let i = 0; i < SAMPLES; i++) {
    largest = Math.max(largest, Number(process.hrtime.bigint()) / 1e6 - performance.now());
  }
  return largest;
}

const offset = measureOffset();

export const sharedNow = (): number => performance.now() + offset;

/** How far to look for the tick of a clock that knows whole milliseconds only. */
const LOOK_MS = 3;

/**
 * What to add to the shared clock for the time of day, which servers put into their messages: measured each time anew, because the time of
 * day may be set. `Date.now()` cuts off, so the largest difference is the one right at a tick.
 */
export function timeOfDayOffset(): number {
  const began = sharedNow();
  let largest = -Infinity;
  for (let now = began; now - began < LOOK_MS; now = sharedNow()) largest = Math.max(largest, Date.now() - now);
  return largest;
}
