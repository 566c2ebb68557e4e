import type { Targets } from '@tufjs/models';
import type { Metadata } from '@tufjs/models';
import type { Updater } from 'tuf-js';

/*
 * Which versions of a product are signed: the manifests among the targets of all roles that may speak for the product. The library answers
 * for one path only, so its own verified roles are walked here, each one loaded and verified by it.
 */

export interface SignedVersion {
  readonly version: string;
  /** Lines of releases that it stands in, as signed; undefined when the signer did not say. */
  readonly channels: readonly string[] | undefined;
}

export type SignedVersions = readonly SignedVersion[];

/** What the library has, and does not show. */
interface LoadsRoles {
  loadTargets(role: string, parent: string): Promise<Metadata<Targets> | undefined>;
}

/** More roles than a product has in a lifetime of years; a signer that delegates without end is not followed. */
const MAX_ROLES = 64;

export async function signedVersions(updater: Updater, product: string): Promise<SignedVersions> {
  const loader = updater as unknown as LoadsRoles;
  const found = new Map<string, SignedVersion>();
  const toVisit = [{ role: 'targets', parent: 'root' }];
  const visited = new Set<string>();
  for (let next = toVisit.shift(); next && visited.size < MAX_ROLES; next = toVisit.shift()) {
    if (visited.has(next.role)) continue;
    visited.add(next.role);
    const targets = (await loader.loadTargets(next.role, next.parent))?.signed;
    if (!targets) continue;
    for (const version of versionsIn(targets, product)) {
      // The most trusted role comes first, as for a single target.
      if (!found.has(version.version)) found.set(version.version, version);
    }
    toVisit.push(...rolesFor(targets, product).map((role) => ({ role, parent: next.role })));
  }
  return [...found.values()];
}

function versionsIn(targets: Targets, product: string): SignedVersion[] {
  return Object.entries(targets.targets).flatMap(([path, target]) => {
    const [of, version = '', file, ...rest] = path.split('/');
    if (of !== product || file !== 'lastcall.yaml' || rest.length > 0) return [];
    const { channels } = target.custom;
    return [{ version, channels: typeof channels === 'string' ? channels.split(',').filter(Boolean) : undefined }];
  });
}

/** By the first part of their patterns; roles that are told apart by hashes may all hold something of it. */
function rolesFor(targets: Targets, product: string): string[] {
  return Object.values(targets.delegations?.roles ?? {})
    .filter(({ paths }) => !paths || paths.some((path) => [product, '*'].includes(path.split('/')[0] ?? '')))
    .map(({ name }) => name);
}
