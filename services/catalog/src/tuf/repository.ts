import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY_MS } from '@lastcall/kernel';
import type { Collection } from '@lastcall/store';
import {
  isIdle,
  nextRenewalAt,
  planRepository,
  TOP_ROLE,
  type Lifetimes,
  type RepositoryHead,
  type RepositoryPlan,
} from '../domain/repository.js';
import { readIfThere } from '../files.js';
import { keysDirOf, offlineAuthority, ownAuthority, settle, type Authority } from './authority.js';
import { readDesired, type Desired, type ReleasesOfProducts, type Scope } from './desired.js';
import { DEFAULT_POLICY, loadKeys, type RoleKeys, type TufPolicy } from './keys.js';
import { ensureRoot, type CurrentRoot } from './roots.js';
import { createSignedRoles, versionsOf, type SignedRoles } from './signed-roles.js';
import {
  commit,
  readHead,
  signHead,
  signRole,
  takeNumber,
  writeRole,
  type PassStep,
  type RepositoryDocument,
  type Workplace,
} from './writing.js';

/*
 * The signed repository. Owns that what clients can see is always whole: every file but the timestamp is immutable and named by its version,
 * written in the order roles, snapshot; the timestamp is the last, one write of one document, and that is the publication. A
 * crash before it leaves files that nobody refers to; the next pass writes others.
 *
 * A pass brings the metadata in line with the releases as they are then, so it needs no memory of what it was called for. Passes of one
 * process follow each other and calls that wait share one. Between processes the document decides: each pass takes a number, which
 * names its files, and its publication counts only on the head that it began from; otherwise it begins anew.
 *
 * Since the keys were handed over (`offline` in the head) a pass renews snapshot and timestamp, and nothing else.
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

export interface Repository {
  /** Resolves when clients can see what the releases (of this product, or of all) say, as far as the keys for it are here. */
  publish(product?: string): Promise<void>;
  /** When a signature has to be renewed; known after the first publication. */
  renewalAt(): Promise<number>;
  /** A metadata file by its name, `timestamp.json` and `root.json` (the newest) included. */
  metadata(name: string): Promise<Buffer | undefined>;
  /** Hash of a target that is signed now, by its path without hash. */
  target(path: string): Promise<string | undefined>;
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

export async function openRepository(given: RepositoryOptions): Promise<Repository> {
  const opened = await open(given);
  return {
    publish: shared((scope) => publishPass(opened, scope)),
    renewalAt: async () => {
      const head = await readHead(opened.place);
      const renewals = head ? nextRenewalAt(head, opened.place.lifetimes) : 0;
      return Math.min(renewals, head?.offline ? Infinity : (opened.own?.root.renewAt ?? Infinity));
    },
    metadata: (name) => readMetadata(opened, name),
    target: async (path) => (await opened.roles.find(await readHead(opened.place), path))?.sha256,
  };
}

async function open(given: RepositoryOptions): Promise<Opened> {
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

/** One at a time; calls made meanwhile get one more pass, which looks at the products of all of them. */
function shared(pass: (scope: Scope) => Promise<void>): (product?: string) => Promise<void> {
  let running: Promise<void> | undefined;
  let next: { readonly done: Promise<void>; scope: Scope } | undefined;
  const begin = (scope: Scope): Promise<void> => {
    running = pass(scope).finally(() => {
      running = undefined;
    });
    return running;
  };
  return (product) => {
    const scope: Scope = product === undefined ? 'all' : new Set([product]);
    if (!running) return begin(scope);
    if (next) {
      next.scope = next.scope === 'all' || scope === 'all' ? 'all' : new Set([...next.scope, ...scope]);
      return next.done;
    }
    const wait = async (): Promise<void> => {
      while (running) await running.catch(() => undefined); // Its own callers hear of it.
      const wanted = next?.scope ?? 'all';
      next = undefined;
      return begin(wanted);
    };
    next = { scope, done: wait() };
    return next.done;
  };
}

/** The head without what is not on disk: that is signed again. */
async function withFiles(head: RepositoryHead | undefined, metadataDir: string): Promise<RepositoryHead | undefined> {
  if (!head) return undefined;
  const files = new Set(await readdir(metadataDir));
  const there = Object.entries(head.roles).filter(([role, { version }]) => files.has(`${version}.${role}.json`));
  const isWhole = files.has(`${head.snapshot.version}.snapshot.json`);
  const snapshot = isWhole ? head.snapshot : { ...head.snapshot, expiresAt: 0 };
  return { ...head, roles: Object.fromEntries(there), snapshot };
}

async function readMetadata(opened: Opened, name: string): Promise<Buffer | undefined> {
  if (!/^(\d{1,15}\.)?[a-z0-9-]{1,100}\.json$/.test(name)) return undefined;
  if (/^\d+\./.test(name)) {
    const bytes = await readIfThere(join(opened.place.metadataDir, name));
    if (bytes || !name.endsWith('.root.json')) return bytes;
  }
  const head = await readHead(opened.place);
  if (name === 'timestamp.json') return head && Buffer.from(head.timestamp.text);
  const root = head?.offline && Buffer.from(head.offline.root.text);
  if (name === 'root.json') return root ?? opened.own?.root.bytes;
  return name === `${head?.offline?.root.version}.root.json` ? root : undefined;
}

/** Who signs now. */
export async function authorityNow(opened: Opened, head: RepositoryHead | undefined): Promise<Authority> {
  if (head?.offline) return offlineAuthority(opened.keysDir, head.offline);
  // Another process has taken the keys back to what they were: only a restored store does that.
  opened.own ??= await ownKeys(opened);
  return ownAuthority(opened.own.keys, opened.options.policy);
}

async function ownKeys({ options, place, keysDir }: Opened): Promise<NonNullable<Opened['own']>> {
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

/** Passes until one counts, or nothing is left to do. */
async function publishPass(opened: Opened, scope: Scope): Promise<void> {
  const now = await opened.options.now();
  for (;;) {
    const seen = await readHead(opened.place);
    if (await (seen?.offline ? renewOnline(opened, seen, now) : signAll(opened, scope, now))) return;
  }
}

/** Everything, with keys that are all here. Answers whether it is done. */
async function signAll(opened: Opened, scope: Scope, now: number): Promise<boolean> {
  const { place, options } = opened;
  const { root, keys } = (opened.own ??= await ownKeys(opened));
  if (now >= root.renewAt) opened.own.root = await ensureRoot(place.metadataDir, keys, options.policy, now);
  const authority = ownAuthority(keys, options.policy);
  const seen = await readHead(place);
  const peek = await desiredFor(opened, seen, authority, scope);
  if (isIdle(await planFor(opened, seen, peek, now))) return true;
  // Taken before the releases are read: a pass with a higher number knows all that one with a lower number was asked for.
  const { number, head } = await takeNumber(place);
  if (head?.offline) return false;
  const desired = await desiredFor(opened, head, authority, scope);
  const plan = await planFor(opened, head, desired, now);
  if (isIdle(plan)) return true;
  place.onStep?.('begun');
  const roles = { ...head?.roles };
  const expiresAt = now + place.lifetimes.targetsMs;
  for (const role of plan.roles) {
    const bytes = signRole(number, expiresAt, desired.bodies[role] ?? {}, role === TOP_ROLE ? keys.targets : keys.releases); // prettier-ignore
    roles[role] = await writeRole(place, role, { version: number, expiresAt, bytes, digest: desired.digests.roles[role] ?? '' }); // prettier-ignore
  }
  const { snapshot } = plan;
  const { keysDigest } = desired.digests;
  const next = await signHead(place, authority, { before: head, roles, snapshot, keysDigest, number, now });
  return commit(place, head, next);
}

/** Snapshot and timestamp, long before they end. */
async function renewOnline(opened: Opened, seen: RepositoryHead, now: number): Promise<boolean> {
  const { place } = opened;
  if (seen.offline) await settle(place.metadataDir, opened.keysDir, seen.offline);
  const files = await withFiles(seen, place.metadataDir);
  const snapshot = files?.snapshot ?? seen.snapshot;
  const plan = planRepository({ ...seen, snapshot }, { roles: {}, keysDigest: seen.keysDigest }, place.lifetimes, now);
  if (isIdle(plan)) return true;
  const authority = await authorityNow(opened, seen);
  const { number, head } = await takeNumber(place);
  if (head?.timestamp.version !== seen.timestamp.version) return false;
  const { roles, keysDigest, offline } = seen;
  const next = { before: seen, roles, snapshot: plan.snapshot, keysDigest, offline, number, now };
  return commit(place, seen, await signHead(place, authority, next));
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
