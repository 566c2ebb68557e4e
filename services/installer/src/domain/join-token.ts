import { reject, type HostRole, type Rejected } from '@lastcall/kernel';

/*
 * A join token: made once, shown once, redeemed by one key. It is kept as its hash, so a copy of the database lets
 * nobody in.
 */

export interface JoinToken {
  readonly installation: string;
  readonly host: string;
  readonly role: HostRole;
  readonly expiresAt: number;
  /** Fingerprint of the key that redeemed it. */
  readonly redeemedBy?: string;
}

const REMEDY = 'ask the operator for a new one: lastcall host join-token';

/** The token after it was redeemed by this key. The same key may ask again until it expires: its answer may have been lost. */
export function redeem(token: JoinToken | undefined, fingerprint: string, at: number): JoinToken | Rejected {
  if (!token) return reject('unauthenticated', 'JOIN_TOKEN_UNKNOWN', `the join token is not known; ${REMEDY}`);
  if (token.expiresAt <= at) {
    const message = `the join token expired at ${new Date(token.expiresAt).toISOString()}; ${REMEDY}`;
    return reject('unauthenticated', 'JOIN_TOKEN_EXPIRED', message);
  }
  if (token.redeemedBy !== undefined && token.redeemedBy !== fingerprint) {
    const message = `the join token was used by another agent; if that was not yours, look who it is, and ${REMEDY}`;
    return reject('unauthenticated', 'JOIN_TOKEN_USED', message, { facts: { host: token.host } });
  }
  return { ...token, redeemedBy: fingerprint };
}
