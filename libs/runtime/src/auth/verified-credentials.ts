import type { Principal } from '@lastcall/contracts';
import type { Clock } from '@lastcall/kernel';

/*
 * Credentials whose signature was found good a short while ago. All clients of an installation may share one, and come by the
 * thousand when a gate opens; a signature costs more than everything else that happens to them. What can change in between (expiry,
 * revocation) is looked at each time by whoever asks.
 */

export interface VerifiedCredential {
  readonly principal: Principal;
  /** By itself; seconds since the epoch, as it stands in the credential. */
  readonly exp: number;
}

export interface VerifiedCredentials {
  find(credential: string): VerifiedCredential | undefined;
  keep(credential: string, verified: VerifiedCredential): void;
}

/** So long a key that was withdrawn still counts. */
const TRUSTED_MS = 30_000;
/** Beyond it the oldest goes. At most 4 KiB each. */
const MAX_KEPT = 2_000;

export function createVerifiedCredentials(clock: Clock): VerifiedCredentials {
  const kept = new Map<string, VerifiedCredential & { readonly until: number }>();
  return {
    find: (credential) => {
      const found = kept.get(credential);
      if (!found || found.until > clock.now()) return found;
      kept.delete(credential);
      return undefined;
    },
    keep: (credential, verified) => {
      const [oldest] = kept.keys();
      if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest);
      kept.set(credential, { ...verified, until: clock.now() + TRUSTED_MS });
    },
  };
}
