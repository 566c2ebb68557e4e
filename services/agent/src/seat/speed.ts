/*
 * How fast a download goes and how long it will take, from what has arrived in the last seconds.
 */

export interface Speed {
  /** Of the last seconds; 0 while unknown. */
  readonly bytesPerSecond: number;
  /** Undefined while unknown. */
  readonly secondsLeft: number | undefined;
}

const WINDOW_MS = 5_000;
/** Less says nothing about the line. */
const MIN_MS = 250;

/** Answers the speed at each new count of bytes. A count that falls (something was thrown away) begins anew. */
export function createSpeedometer(): (done: number, total: number, atMs: number) => Speed {
  let seen: { readonly done: number; readonly at: number }[] = [];
  return (done, total, at) => {
    const last = seen.at(-1);
    if (last && done < last.done) seen = [];
    seen = [...seen.filter((s) => at - s.at <= WINDOW_MS), { done, at }];
    const first = seen[0];
    const ms = first ? at - first.at : 0;
    if (!first || ms < MIN_MS) return { bytesPerSecond: 0, secondsLeft: undefined };
    const bytesPerSecond = Math.round(((done - first.done) * 1_000) / ms);
    const secondsLeft = bytesPerSecond > 0 ? Math.ceil((total - done) / bytesPerSecond) : undefined;
    return { bytesPerSecond, secondsLeft };
  };
}
