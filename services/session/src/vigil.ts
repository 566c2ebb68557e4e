/*
 * For how long this replica has looked at the store without failure. An outage of the store silences runs too, so a silence counts
 * only while somebody has watched all of it. Times are the store's: a process that was suspended sees the gap.
 */

/** Two looks may be this far apart, or half of the time that is asked for. */
const MAX_GAP_MS = 3_000;

export class Vigil {
  private since: number | undefined;
  private lastAt = 0;

  constructor(private readonly watchMs: number) {}

  looked(now: number): void {
    if (!this.goesOn(now)) this.since = now;
    this.lastAt = Math.max(this.lastAt, now);
  }

  failed(): void {
    this.since = undefined;
  }

  /** Whether it has lasted for the whole time, up to now. */
  isLongEnough(now: number): boolean {
    return this.since !== undefined && this.goesOn(now) && now - this.since >= this.watchMs;
  }

  private goesOn(now: number): boolean {
    return this.since !== undefined && now - this.lastAt <= Math.max(MAX_GAP_MS, this.watchMs / 2);
  }
}
