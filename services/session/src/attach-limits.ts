import { isFull, takeFrom, type Bucket, type RateLimit } from './domain/rate.js';
import type { SessionSettings } from './settings.js';

/*
 * How often clients may attach here: one user on one host, so that a client that reconnects in a loop costs the others nothing; with one
 * credential, which all clients of an installation may share; and to one installation, whatever they come with. Kept in memory: a limit
 * a replica.
 */

export interface Attempt {
  /** Id of the credential. */
  readonly token: string;
  readonly installation: string;
  readonly user: string;
  readonly host: string;
}

export interface AttachLimits {
  /** False: too many. */
  take(attempt: Attempt, now: number): boolean;
  /** Forgets whom it would let in anyway. */
  sweep(now: number): void;
}

/** Beyond it the limit of the credential alone has to do. */
const MAX_BUCKETS = 200_000;

export function createAttachLimits(settings: SessionSettings): AttachLimits {
  const byToken = createBuckets({ burst: settings.attachBurst, perSecond: settings.attachPerSecond });
  const byUser = createBuckets({ burst: settings.attachBurstPerUser, perSecond: settings.attachPerSecondPerUser });
  const byInstallation = createBuckets({
    burst: settings.attachBurstPerInstallation,
    perSecond: settings.attachPerSecondPerInstallation,
  });
  return {
    // The narrowest first: who is over its own limit takes nothing from the others.
    take: ({ token, installation, user, host }, now) =>
      byUser.take(JSON.stringify([token, user, host]), now) &&
      byToken.take(token, now) &&
      byInstallation.take(installation, now),
    sweep: (now) => {
      byUser.sweep(now);
      byToken.sweep(now);
      byInstallation.sweep(now);
    },
  };
}

function createBuckets(limit: RateLimit) {
  const buckets = new Map<string, Bucket>();
  return {
    take: (key: string, now: number): boolean => {
      const known = buckets.get(key);
      if (!known && buckets.size >= MAX_BUCKETS) return true;
      const { bucket, allowed } = takeFrom(known, limit, now);
      buckets.set(key, bucket);
      return allowed;
    },
    sweep: (now: number): void => {
      for (const [key, bucket] of buckets) if (isFull(bucket, limit, now)) buckets.delete(key);
    },
  };
}
