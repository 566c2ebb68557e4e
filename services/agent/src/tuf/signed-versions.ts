/*
 * Which versions of a product are signed: the manifests among the targets of all roles that may speak for the product. A client of the specification
 * answers for one path only, so the roles are walked here; each is loaded, and verified, by that client.
 */

/** Bytes of a role as they were verified. */
export type LoadRole = (role: string, delegator: string) => Promise<Buffer>;

interface SignedRole {
  readonly targets?: Readonly<Record<string, unknown>>;
  readonly delegations?: { readonly roles?: readonly { readonly name: string; readonly paths?: readonly string[] }[] };
}

/** More roles than a product has in a lifetime of years; a signer that delegates without end is not followed. */
const MAX_ROLES = 64;

/** In no order. Whether one can be taken is said by its manifest, which is fetched under the rules for its path. */
export async function signedVersions(loadRole: LoadRole, product: string): Promise<readonly string[]> {
  const versions = new Set<string>();
  const toVisit = [{ role: 'targets', delegator: 'root' }];
  const visited = new Set<string>();
  for (let next = toVisit.shift(); next && visited.size < MAX_ROLES; next = toVisit.shift()) {
    const { role, delegator } = next;
    if (visited.has(role)) continue;
    visited.add(role);
    const { signed } = JSON.parse((await loadRole(role, delegator)).toString('utf8')) as { signed: SignedRole };
    for (const version of versionsIn(signed, product)) versions.add(version);
    toVisit.push(...rolesFor(signed, product).map((name) => ({ role: name, delegator: role })));
  }
  return [...versions];
}

function versionsIn({ targets = {} }: SignedRole, product: string): string[] {
  return Object.keys(targets).flatMap((path) => {
    const [of, version = '', file, ...rest] = path.split('/');
    return of === product && file === 'lastcall.yaml' && rest.length === 0 ? [version] : [];
  });
}

/** By the first part of their patterns; roles that are told apart by hashes may all hold something of it. */
function rolesFor({ delegations }: SignedRole, product: string): string[] {
  return (delegations?.roles ?? [])
    .filter(({ paths }) => !paths || paths.some((path) => [product, '*'].includes(path.split('/')[0] ?? '')))
    .map(({ name }) => name);
}
