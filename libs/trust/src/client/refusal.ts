import { reject, RejectedError } from '@lastcall/kernel';

/*
 * Why the signed catalog was not believed. One code for each kind of trouble, because each asks for something else from the operator; the README of
 * the agent has the same table for people.
 */

export type TrustCode =
  | 'METADATA_MALFORMED'
  | 'METADATA_NOT_SIGNED'
  | 'METADATA_EXPIRED'
  | 'METADATA_ROLLED_BACK'
  | 'METADATA_MIXED'
  | 'METADATA_TOO_LONG'
  | 'METADATA_NOT_FOUND'
  | 'TEXT_CHANGED'
  | 'CATALOG_TOO_SLOW'
  | 'CATALOG_NOT_REACHABLE'
  | 'TRUST_LOST'
  | 'CLOCK_BEHIND';

const WHAT_TO_DO: Readonly<Record<TrustCode, string>> = {
  METADATA_MALFORMED:
    'publish with a catalog that follows the specification, or look who else answers under its address',
  METADATA_NOT_SIGNED:
    'look who else answers under the address of the catalog; after a change of keys, sign with the keys of the newest root',
  METADATA_EXPIRED:
    'let the catalog sign again, look whether a mirror holds back what is new, and check the clock of this host',
  METADATA_ROLLED_BACK:
    'look whether a mirror or a restored catalog serves an older state; nothing older is accepted with these keys',
  METADATA_MIXED: 'look whether a mirror or cache serves files of different publications; then try again',
  METADATA_TOO_LONG: 'look who else answers under the address of the catalog',
  METADATA_NOT_FOUND: 'let the mirror or the catalog serve the whole publication; then try again',
  TEXT_CHANGED: 'look whether a mirror or cache changes files; publish the release again if the catalog has lost it',
  CATALOG_TOO_SLOW: 'look at the line and at mirrors and proxies in it; then try again',
  CATALOG_NOT_REACHABLE: 'check its address, the line and its certificate; then try again',
  CLOCK_BEHIND: 'set the clock of this host; if it was wrong before and is right now, join the installation again',
  TRUST_LOST: 'join the installation again with a new token: what this host trusts is pinned then',
};

/** What was signed is not believed. Its reason is the code; its facts are the file and why. */
export class TrustRefusal extends RejectedError {
  override readonly cause: unknown;
  constructor(
    readonly trustCode: TrustCode,
    message: string,
    facts: Readonly<Record<string, string>>,
    cause: unknown,
  ) {
    super(reject('refused', trustCode, message, { facts }));
    this.cause = cause;
  }
}

/** `file` is what was refused, as the catalog names it; empty for the catalog as a whole. */
export function refused(code: TrustCode, file: string, why: string, cause?: unknown): TrustRefusal {
  const subject = file === '' ? why : `${file} of the signed catalog is refused: ${why}`;
  const message = `${subject}. Nothing was changed; ${WHAT_TO_DO[code]}`;
  return new TrustRefusal(code, message, { ...(file !== '' && { file }), why }, cause);
}
