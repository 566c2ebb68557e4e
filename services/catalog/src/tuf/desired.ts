import { sha256Hex } from '@lastcall/kernel';
import {
  delegationsBody,
  keyIdOf,
  targetsBody,
  type Json,
  type KeySet,
  type RootKeys,
  type Target,
} from '@lastcall/trust';
import { delegatedProducts, productRole, TOP_ROLE, yearRolesOf, type RepositoryHead } from '../domain/repository.js';
import { pathsOf, placeReleases } from '../domain/year-roles.js';

/*
 * What every role has to say so that the metadata says what the releases say. The top role delegates to the products' roles, those to
 * roles of a year, and these list the targets.
 */

/** The targets of one release that stands in the signed repository. */
export interface SignedRelease {
  readonly version: string;
  /** In which it was drafted (UTC). */
  readonly year: number;
  readonly targets: readonly Target[];
}

export type ReleasesOfProducts = ReadonlyMap<string, readonly SignedRelease[]>;

/** Products to look at. */
export type Scope = ReadonlySet<string> | 'all';

export interface Desired {
  readonly bodies: Readonly<Record<string, Json>>;
  readonly digests: { readonly roles: Readonly<Record<string, string>>; readonly keysDigest: string };
}

export interface DesiredParts {
  readonly head: RepositoryHead | undefined;
  readonly releases: ReleasesOfProducts;
  readonly scope: Scope;
  readonly keys: { readonly root: RootKeys; readonly releases: KeySet };
  /** Versions of the product that a role signs now. */
  readonly versionsIn: (role: string) => Promise<readonly string[]>;
}

export async function readDesired(parts: DesiredParts): Promise<Desired> {
  const { head, releases, scope, keys } = parts;
  const delegated = delegatedProducts(head);
  const looked = scope === 'all' ? [...delegated, ...releases.keys()] : [...scope].filter((p) => releases.has(p) || delegated.includes(p)); // prettier-ignore
  const bodies = new Map<string, Json>();
  for (const product of new Set(looked)) {
    for (const [role, body] of await bodiesOf(parts, product)) bodies.set(role, body);
  }
  const products = [...new Set([...delegated, ...looked])].toSorted();
  const top = products.map((product) => ({ role: productRole(product), paths: [`${product}/*/*`] }));
  bodies.set(TOP_ROLE, delegationsBody(top, keys.releases));
  const signers = (role: string): string => describeSet(role === TOP_ROLE ? keys.root.targets : keys.releases);
  const digests = [...bodies].map(([role, body]) => [role, sha256Hex(JSON.stringify(body) + signers(role))] as const);
  const keysDigest = sha256Hex(describeSet(keys.root.snapshot) + describeSet(keys.root.timestamp));
  return { bodies: Object.fromEntries(bodies), digests: { roles: Object.fromEntries(digests), keysDigest } };
}

function describeSet({ keys, threshold }: KeySet): string {
  return JSON.stringify([keys.map(keyIdOf), threshold]);
}

async function bodiesOf(
  { head, releases, keys, versionsIn }: DesiredParts,
  product: string,
): Promise<ReadonlyMap<string, Json>> {
  const own = releases.get(product) ?? [];
  const before = new Map<string, string>();
  const known = yearRolesOf(head, product);
  for (const role of known) for (const version of await versionsIn(role)) before.set(version, role);
  const placement = placeReleases(
    product,
    own.map(({ version, year, targets }) => ({ version, year, targets: targets.length })),
    before,
  );
  const byVersion = new Map(own.map((release) => [release.version, release.targets]));
  const paths = pathsOf(product, placement);
  const years = [...new Set([...known, ...placement.keys()])].toSorted();
  // A role without releases is reached by nobody and stays in the snapshot all the same.
  const delegations = years.flatMap((role) => {
    const patterns = paths.get(role);
    return patterns ? [{ role, paths: patterns }] : [];
  });
  const lists = years.map((role) => {
    const targets = (placement.get(role) ?? []).flatMap((version) => byVersion.get(version) ?? []);
    return [role, targetsBody(targets.toSorted((a, b) => (a.path < b.path ? -1 : 1)))] as const;
  });
  return new Map([...lists, [productRole(product), delegationsBody(delegations, keys.releases)] as const]);
}
