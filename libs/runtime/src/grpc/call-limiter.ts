import type { Principal } from '@lastcall/contracts';
import { reject, type Rejected } from '@lastcall/kernel';
import { SERVICE_SUBJECT } from '../auth/service-certificate.js';
import { RETRY_AFTER_FACT } from './status.js';

/*
 * How many calls a credential may make, and all credentials of one installation together: buckets that fill by themselves. Each process
 * counts for itself. Services call each other without a limit: what they do follows from calls that were let in.
 */

export interface CallLimiter {
  /** Counts one call; the refusal when there are too many. */
  take(caller: Principal | undefined): Rejected | undefined;
}

export interface CallLimits {
  /** Per second and credential; 0: no limit. */
  readonly callsPerSecond: number;
  readonly callsBurst: number;
}

interface Bucket {
  left: number;
  at: number;
}

/** So many times what one credential may. */
const INSTALLATION_SHARE = 4;
/** Beyond it the one that was not used for longest goes; it would be full again soon. */
const MAX_BUCKETS = 20_000;

/** `now`: milliseconds that only grow. */
export function createCallLimiter(
  { callsPerSecond, callsBurst }: CallLimits,
  now: () => number = () => performance.now(),
): CallLimiter {
  const buckets = new Map<string, Bucket>();

  /** Milliseconds until there is one; 0: it was taken. */
  function take(key: string, times: number): number {
    const perMs = (callsPerSecond * times) / 1_000;
    const full = callsBurst * times;
    const at = now();
    const known = buckets.get(key) ?? { left: full, at };
    const left = Math.min(full, known.left + (at - known.at) * perMs);
    buckets.delete(key);
    buckets.set(key, { left: left >= 1 ? left - 1 : left, at });
    const [oldest] = buckets.size > MAX_BUCKETS ? buckets.keys() : [];
    if (oldest !== undefined) buckets.delete(oldest);
    return left >= 1 ? 0 : Math.ceil((1 - left) / perMs);
  }

  return {
    take: (caller) => {
      if (!caller || callsPerSecond === 0 || isService(caller)) return undefined;
      const own = take(`c ${caller.token || caller.subject}`, 1);
      if (own > 0) return refused(`"${caller.subject}"`, own);
      const all = caller.installation === undefined ? 0 : take(`i ${caller.installation}`, INSTALLATION_SHARE);
      return all > 0 ? refused(`the installation ${caller.installation}`, all) : undefined;
    },
  };
}

/** The credentials that services make for themselves; see ensure-identity. */
function isService({ role, subject, installation }: Principal): boolean {
  return role === 'admin' && installation === undefined && subject.startsWith(SERVICE_SUBJECT);
}

function refused(who: string, waitMs: number): Rejected {
  const message = `${who} has made too many calls; try again in ${waitMs} ms (LASTCALL_CALLS_PER_SECOND sets the limit).`;
  return reject('too-many', 'TOO_MANY_CALLS', message, { facts: { [RETRY_AFTER_FACT]: String(waitMs) } });
}
