/** Numbers of a client's streams, by which the server knows the newest. By the clock, so that a program that is started anew goes on above the one before it. */
export class Attempts {
  private last = 0;

  /** `now`: milliseconds since the epoch. Larger than each one before. */
  next(now: number): bigint {
    this.last = Math.max(this.last + 1, Math.floor(now));
    return BigInt(this.last);
  }
}
