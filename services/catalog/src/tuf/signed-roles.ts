import { join } from 'node:path';
import { targetsOf, type Target } from '@lastcall/trust';
import { productRole, yearRolesOf } from '../domain/repository.js';
import { readIfThere } from '../files.js';
import { parseMetadata } from './roots.js';

/*
 * What the roles that are out list. Each is read once for each of its versions.
 */

/** Versions of the roles that are out. */
export interface RolesOut {
  readonly roles: Readonly<Record<string, { readonly version: number }>>;
}

export interface SignedRoles {
  /** Targets of a role by path; empty when its file is not there. */
  targets(head: RolesOut | undefined, role: string): Promise<ReadonlyMap<string, Target>>;
  /** A target by its path. */
  find(head: RolesOut | undefined, path: string): Promise<Target | undefined>;
}

const NONE: ReadonlyMap<string, Target> = new Map();

export function createSignedRoles(metadataDir: string): SignedRoles {
  const known = new Map<string, { readonly version: number; readonly targets: ReadonlyMap<string, Target> }>();
  const targets: SignedRoles['targets'] = async (head, role) => {
    const version = head?.roles[role]?.version;
    if (version === undefined) return NONE;
    const cached = known.get(role);
    if (cached?.version === version) return cached.targets;
    const bytes = await readIfThere(join(metadataDir, `${version}.${role}.json`));
    if (!bytes) return NONE;
    const found = targetsOf(parseMetadata(bytes).signed);
    known.set(role, { version, targets: found });
    return found;
  };
  return {
    targets,
    find: async (head, path) => {
      const product = path.split('/')[0] ?? '';
      // The product's own role listed its targets before there were roles of a year.
      for (const role of [...yearRolesOf(head, product), productRole(product)]) {
        const found = (await targets(head, role)).get(path);
        if (found) return found;
      }
      return undefined;
    },
  };
}

/** Versions that a role's targets belong to. */
export function versionsOf(targets: ReadonlyMap<string, Target>): readonly string[] {
  return [...new Set([...targets.keys()].map((path) => path.split('/')[1] ?? ''))];
}
