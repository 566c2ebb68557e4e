/*
 * A token bucket as a value: so many at once, so many a second over time.
 */

export interface RateLimit {
  readonly burst: number;
  readonly perSecond: number;
}

export interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

/** Takes one. `allowed` false: come back later; nothing was taken. */
export function takeFrom(
  bucket: Bucket | undefined,
  limit: RateLimit,
  now: number,
): { bucket: Bucket; allowed: boolean } {
  const refilled = bucket ? bucket.tokens + ((now - bucket.at) / 1000) * limit.perSecond : limit.burst;
  const tokens = Math.min(limit.burst, refilled);
  return tokens >= 1
    ? { bucket: { tokens: tokens - 1, at: now }, allowed: true }
    : { bucket: { tokens, at: now }, allowed: false };
}

/** Whether forgetting the bucket changes nothing. */
export function isFull(bucket: Bucket, limit: RateLimit, now: number): boolean {
  return bucket.tokens + ((now - bucket.at) / 1000) * limit.perSecond >= limit.burst;
}
