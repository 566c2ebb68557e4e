import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY_MS } from '@lastcall/kernel';
import type { Collection } from '@lastcall/store';
import { planRepository, type Lifetimes, type RepositoryHead, type RepositoryPlan } from '../domain/repository.js';
import { keysDirOf, offlineAuthority, ownAuthority, type Authority } from './authority.js';
import { readDesired, type Desired, type ReleasesOfProducts, type Scope } from './desired.js';
import { DEFAULT_POLICY, loadKeys, type RoleKeys, type TufPolicy } from './keys.js';
import { ensureRoot, type CurrentRoot } from './roots.js';
import { createSignedRoles, versionsOf, type SignedRoles } from './signed-roles.js';
import { readHead, type PassStep, type RepositoryDocument, type Workplace } from './writing.js';

/*
 * The signed repository of one process: its folder, its keys as far as they are here, and what has to be said.
 */

export interface RepositoryOptions {
  readonly dir: string;
  readonly documents: Collection<RepositoryDocument>;
  /** Releases of these products, or of all, that have to stand in the repository as they are now. */
  readonly releases: (scope: Scope) => Promise<ReleasesOfProducts>;
  readonly now: () => Promise<number>;
  readonly policy?: TufPolicy;
  readonly lifetimes?: Lifetimes;
  readonly onStep?: (step: PassStep) => void;
}

export const DEFAULT_LIFETIMES: Lifetimes = {
  targetsMs: 180 * DAY_MS,
  snapshotMs: 30 * DAY_MS,
  timestampMs: 7 * DAY_MS,
};

export interface Opened {
  readonly options: RepositoryOptions & { readonly policy: TufPolicy };
  readonly place: Workplace;
  readonly keysDir: string;
  readonly roles: SignedRoles;
  /** Absent when the keys were handed over before this process began. */
  own: { readonly keys: RoleKeys; root: CurrentRoot } | undefined;
}

export async function openPlace(given: RepositoryOptions): Promise<Opened> {
  const options = { policy: DEFAULT_POLICY, ...given };
  const metadataDir = join(options.dir, 'metadata');
  await mkdir(metadataDir, { recursive: true });
  const lifetimes = options.lifetimes ?? DEFAULT_LIFETIMES;
  const place: Workplace = { documents: options.documents, metadataDir, lifetimes, onStep: options.onStep };
  const keysDir = keysDirOf(options.dir);
  const opened: Opened = { options, place, keysDir, roles: createSignedRoles(metadataDir), own: undefined };
  if ((await readHead(place))?.offline) return opened;
  const keys = await loadKeys(keysDir, options.policy);
  opened.own = { keys, root: await ensureRoot(metadataDir, keys, options.policy, await options.now()) };
  return opened;
}

/** The head without what is not on disk: that is signed again. */
export async function withFiles(
  head: RepositoryHead | undefined,
  metadataDir: string,
): Promise<RepositoryHead | undefined> {
  if (!head) return undefined;
  const files = new Set(await readdir(metadataDir));
  const there = Object.entries(head.roles).filter(([role, { version }]) => files.has(`${version}.${role}.json`));
  const isWhole = files.has(`${head.snapshot.version}.snapshot.json`);
  const snapshot = isWhole ? head.snapshot : { ...head.snapshot, expiresAt: 0 };
  return { ...head, roles: Object.fromEntries(there), snapshot };
}

/** Who signs now. */
export async function authorityNow(opened: Opened, head: RepositoryHead | undefined): Promise<Authority> {
  if (head?.offline) return offlineAuthority(opened.keysDir, head.offline);
  // Another process has taken the keys back to what they were: only a restored store does that.
  opened.own ??= await ownKeys(opened);
  return ownAuthority(opened.own.keys, opened.options.policy);
}

export async function ownKeys({ options, place, keysDir }: Opened): Promise<NonNullable<Opened['own']>> {
  const keys = await loadKeys(keysDir, options.policy);
  return { keys, root: await ensureRoot(place.metadataDir, keys, options.policy, await options.now()) };
}

export async function desiredFor(
  { options, roles }: Opened,
  head: RepositoryHead | undefined,
  keys: Pick<Authority, 'root' | 'releases'>,
  scope: Scope,
): Promise<Desired> {
  const releases = await options.releases(scope);
  const versionsIn = async (role: string): Promise<readonly string[]> => versionsOf(await roles.targets(head, role));
  return readDesired({ head, releases, scope, keys, versionsIn });
}

export async function planFor(
  { place }: Opened,
  head: RepositoryHead | undefined,
  { digests }: Desired,
  now: number,
  lifetimes = place.lifetimes,
): Promise<RepositoryPlan> {
  return planRepository(await withFiles(head, place.metadataDir), digests, lifetimes, now);
}
