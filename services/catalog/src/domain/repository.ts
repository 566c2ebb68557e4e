import { productOfYearRole } from './year-roles.js';

/*
 * The signed repository as a plan: which roles have to be signed anew so that the metadata says what the releases say and
 * stays far from its expiry. Owns the rules of TUF about order and versions: a role's version only grows, a role that was ever
 * delegated stays in the snapshot for good (clients refuse a snapshot that forgot one), and the snapshot follows its roles,
 * the timestamp follows the snapshot.
 */

/** A metadata file that is out. */
export interface SignedFile {
  readonly version: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly expiresAt: number;
}

/** A targets role that is out: the top one or a product's. */
export interface SignedRole extends SignedFile {
  /** Digest of what it says and who signs it. */
  readonly digest: string;
}

/** Keys that are held elsewhere, since the hand-over. In the head, so that a next root and what its keys have signed appear at once. */
export interface OfflineTrust {
  /** The newest root, as signed. */
  readonly root: { readonly version: number; readonly text: string };
  /** Public keys, 64 hexadecimal digits each, that sign for products. */
  readonly releases: { readonly keys: readonly string[]; readonly threshold: number };
}

/** What clients see: the timestamp and all that hangs on it. */
export interface RepositoryHead {
  readonly roles: Readonly<Record<string, SignedRole>>;
  readonly snapshot: SignedFile;
  /** Digest of the keys of snapshot and timestamp. */
  readonly keysDigest: string;
  /** Absent while the catalog holds all keys itself. */
  readonly offline?: OfflineTrust;
  /** `product/version` that the signed lists name and that must not be taken, sorted; absent for none. The snapshot says them. */
  readonly withdrawn?: readonly string[];
  readonly timestamp: { readonly version: number; readonly expiresAt: number; readonly text: string };
}

/** How long a signature holds and when it is renewed, milliseconds. */
export interface Lifetimes {
  readonly targetsMs: number;
  readonly snapshotMs: number;
  readonly timestampMs: number;
}

export interface RepositoryPlan {
  /** Roles to sign, the top role last: it delegates to the others. */
  readonly roles: readonly string[];
  readonly snapshot: boolean;
  readonly timestamp: boolean;
}

export const TOP_ROLE = 'targets';
/** A role of its own name space: no product can be called like a top-level role. */
export const productRole = (product: string): string => `product-${product}`;

/** Half of its life is over. */
function isDue(expiresAt: number, lifetimeMs: number, now: number): boolean {
  return now >= renewAt(expiresAt, lifetimeMs);
}

function renewAt(expiresAt: number, lifetimeMs: number): number {
  return expiresAt - Math.floor(lifetimeMs / 2);
}

/** What has to be signed. `desired`: digest of what each role has to say, those once delegated included. */
export function planRepository(
  head: RepositoryHead | undefined,
  desired: { readonly roles: Readonly<Record<string, string>>; readonly keysDigest: string },
  lifetimes: Lifetimes,
  now: number,
): RepositoryPlan {
  const roles = Object.keys(desired.roles).filter((role) => {
    const signed = head?.roles[role];
    return !signed || signed.digest !== desired.roles[role] || isDue(signed.expiresAt, lifetimes.targetsMs, now);
  });
  const rekeyed = head?.keysDigest !== desired.keysDigest;
  const snapshot = !head || rekeyed || roles.length > 0 || isDue(head.snapshot.expiresAt, lifetimes.snapshotMs, now);
  const timestamp = snapshot || isDue(head.timestamp.expiresAt, lifetimes.timestampMs, now);
  return { roles: roles.toSorted((a, b) => Number(a === TOP_ROLE) - Number(b === TOP_ROLE)), snapshot, timestamp };
}

export function isIdle(plan: RepositoryPlan): boolean {
  return !plan.timestamp;
}

/** When something has to be renewed although nothing is published. */
export function nextRenewalAt(head: RepositoryHead, lifetimes: Lifetimes): number {
  return Math.min(
    renewAt(head.timestamp.expiresAt, lifetimes.timestampMs),
    renewAt(head.snapshot.expiresAt, lifetimes.snapshotMs),
    // What is signed elsewhere waits for people.
    ...(head.offline ? [] : Object.values(head.roles)).map((role) => renewAt(role.expiresAt, lifetimes.targetsMs)),
  );
}

/** Products that were ever delegated. */
export function delegatedProducts(head: RepositoryHead | undefined): readonly string[] {
  const prefix = productRole('');
  return Object.keys(head?.roles ?? {})
    .filter((role) => role.startsWith(prefix))
    .map((role) => role.slice(prefix.length));
}

/** Roles of a product's years that were ever delegated. */
export function yearRolesOf(head: { readonly roles: object } | undefined, product: string): readonly string[] {
  return Object.keys(head?.roles ?? {}).filter((role) => productOfYearRole(role) === product);
}
