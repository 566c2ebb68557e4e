import { createHash } from 'node:crypto';
import { refused } from './refusal.js';
import { createTrustedSet, fileOf, type FileMeta, type TargetMeta, type TrustedSet } from './trusted-set.js';

/*
 * The walk of a client through a signed catalog (specification of TUF 1.0, section 5): roots one by one, timestamp, snapshot, targets, and from there
 * down the delegations. Owns the order and the bounds; the rules are those of the trusted set. What was accepted is written down before
 * anything that it says is used, also when a later file is refused.
 */

/** Role to metadata. Has `root` always. */
export type TrustedTexts = ReadonlyMap<string, Buffer>;

/** Where it is written down what is trusted. */
export interface TrustedStore {
  load(): TrustedTexts;
  save(texts: TrustedTexts): void;
}

/** A file below the metadata or the targets by its path, whose parts are encoded. Undefined: there is none. */
export type FetchFile = (path: string, maxBytes: number) => Promise<Buffer | undefined>;

export interface SignedCatalog {
  /** What is signed under this path; undefined for nothing. */
  find(path: string): Promise<TargetMeta | undefined>;
  /** Everything that is signed below a folder of one name, such as a product. */
  list(folder: string): Promise<readonly TargetMeta[]>;
  /** Whether a release (`product/version`) was taken back, although it is signed. */
  isWithdrawn(release: string): boolean;
  /** The bytes that were signed. */
  fetch(target: TargetMeta): Promise<Buffer>;
}

export interface SignedCatalogParts {
  readonly state: TrustedStore;
  /** Files below the metadata. */
  readonly metadata: FetchFile;
  readonly targets: FetchFile;
}

export const FETCH_LIMITS = {
  rootBytes: 512_000,
  timestampBytes: 16_384,
  snapshotBytes: 2_000_000,
  targetsBytes: 5_000_000,
  /** New roots in one refresh: a catalog makes two a year by itself. */
  roots: 64,
  /** Roles asked for one path. */
  roles: 32,
  /** Roles asked for all of a folder: one a year. */
  rolesListed: 64,
} as const;

/** Refreshes, then lets the work ask. Throws a TrustRefusal. */
export async function withSignedCatalog<T>(
  parts: SignedCatalogParts,
  work: (catalog: SignedCatalog) => Promise<T>,
): Promise<T> {
  const walk = begin(parts);
  try {
    await refresh(walk);
    const found = new Map<string, TargetMeta | undefined>();
    const lookUp = async (path: string): Promise<TargetMeta | undefined> => {
      if (!found.has(path)) found.set(path, await findTarget(walk, path));
      return found.get(path);
    };
    return await work({
      find: lookUp,
      isWithdrawn: (release) => walk.set.isWithdrawn(release),
      list: async (folder) => {
        const targets: TargetMeta[] = [];
        for (const path of await pathsBelow(walk, folder)) {
          const target = await lookUp(path);
          if (target) targets.push(target);
        }
        return targets;
      },
      fetch: (target) => {
        keep(walk);
        return fetchTarget(parts.targets, target);
      },
    });
  } finally {
    keep(walk);
  }
}

interface Walk extends SignedCatalogParts {
  readonly set: TrustedSet;
  /** What was on the disk last. */
  before: TrustedTexts;
}

function begin(parts: SignedCatalogParts): Walk {
  const before = parts.state.load();
  return { ...parts, before, set: createTrustedSet(before.get('root') as Buffer) };
}

/** Writes down what is trusted now, when it is something else. Delegated roles that are not signed any more go. */
function keep(walk: Walk): void {
  const { before, set, state } = walk;
  const next = new Map([...before, ...set.accepted()]);
  const isLoaded = set.accepted().has('snapshot');
  for (const role of next.keys()) {
    const isTop = ['root', 'timestamp', 'snapshot', 'targets'].includes(role);
    if (!isTop && isLoaded && !set.roleMeta(role)) next.delete(role);
  }
  const isSame = next.size === before.size && [...next].every(([role, bytes]) => before.get(role)?.equals(bytes));
  if (isSame) return;
  state.save(next);
  walk.before = next;
}

async function refresh(walk: Walk): Promise<void> {
  const { set, before } = walk;
  await loadRoots(walk);
  const known = before.get('timestamp');
  if (known) set.recallTimestamp(known);
  set.acceptTimestamp(await demand(walk.metadata, 'timestamp.json', FETCH_LIMITS.timestampBytes));
  const seen = before.get('snapshot');
  const isCurrent = seen !== undefined && set.recallSnapshot(seen);
  if (!isCurrent)
    set.acceptSnapshot(await fetchNamed(walk, 'snapshot', set.snapshotMeta(), FETCH_LIMITS.snapshotBytes));
  await loadTargets(walk, 'targets', 'root');
}

async function loadRoots({ set, metadata }: Walk): Promise<void> {
  for (let i = 0; i < FETCH_LIMITS.roots; i++) {
    const bytes = await metadata(`${set.rootVersion() + 1}.root.json`, FETCH_LIMITS.rootBytes);
    if (!bytes) return;
    set.acceptRoot(bytes);
  }
  const why = `there are more than ${FETCH_LIMITS.roots} new roots; if the catalog really made them, the next refresh goes on from here`;
  throw refused('METADATA_TOO_LONG', `${set.rootVersion() + 1}.root.json`, why);
}

async function loadTargets(walk: Walk, role: string, delegator: string): Promise<void> {
  const { set, before } = walk;
  set.checkDelegator(role, delegator);
  if (set.isLoaded(role)) return;
  const meta = set.roleMeta(role);
  if (!meta)
    throw refused('METADATA_NOT_FOUND', fileOf(role), `${delegator} delegates to it and the snapshot does not name it`);
  const known = before.get(role);
  if (known && set.recallTargets(known, role, delegator)) return;
  set.acceptTargets(await fetchNamed(walk, role, meta, FETCH_LIMITS.targetsBytes), role, delegator);
}

function fetchNamed({ metadata }: Walk, role: string, meta: FileMeta, maxBytes: number): Promise<Buffer> {
  return demand(metadata, `${meta.version}.${fileOf(role)}`, Math.min(meta.length ?? maxBytes, maxBytes));
}

async function demand(fetchFile: FetchFile, path: string, maxBytes: number): Promise<Buffer> {
  const bytes = await fetchFile(path, maxBytes);
  if (bytes) return bytes;
  throw refused('METADATA_NOT_FOUND', path, 'it is signed and not served');
}

/** Depth first, in the order of each delegator; the first role that has the path speaks for it: section 5.6.7. */
async function findTarget(walk: Walk, path: string): Promise<TargetMeta | undefined> {
  let toAsk: { role: string; delegator: string }[] = [{ role: 'targets', delegator: 'root' }];
  const asked = new Set<string>();
  for (let next = toAsk.pop(); next && asked.size < FETCH_LIMITS.roles; next = toAsk.pop()) {
    const { role, delegator } = next;
    await loadTargets(walk, role, delegator);
    if (asked.has(role)) continue;
    asked.add(role);
    const { target, delegations } = walk.set.ask(role, path);
    if (target) return target;
    if (delegations.some(({ terminating }) => terminating)) toAsk = [];
    toAsk.push(...delegations.map((found) => ({ role: found.role, delegator: role })).toReversed());
  }
  return undefined;
}

/** What the roles say that may speak of it. Whether they may speak of each path is asked afterwards, one by one. */
async function pathsBelow(walk: Walk, folder: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const toAsk = [{ role: 'targets', delegator: 'root' }];
  for (let next = toAsk.shift(), asked = 0; next; next = toAsk.shift()) {
    if (++asked > FETCH_LIMITS.rolesListed)
      throw refused('METADATA_TOO_LONG', '', `more than ${FETCH_LIMITS.rolesListed} roles speak of ${folder}`);
    const { role, delegator } = next;
    await loadTargets(walk, role, delegator);
    const { paths, roles } = walk.set.lookBelow(role, folder);
    for (const path of paths) found.add(path);
    toAsk.push(...roles.map((name) => ({ role: name, delegator: role })));
  }
  return found;
}

async function fetchTarget(fetchFile: FetchFile, target: TargetMeta): Promise<Buffer> {
  const hashes = Object.entries(target.hashes);
  const parts = target.path.split('/');
  const name = `${target.hashes['sha256'] ?? hashes[0]?.[1]}.${parts.pop()}`;
  const path = [...parts, name].map(encodeURIComponent).join('/');
  const bytes = await demand(fetchFile, path, target.length);
  const isSigned = hashes.every(([algorithm, hash]) => createHash(algorithm).update(bytes).digest('hex') === hash);
  if (isSigned && bytes.byteLength === target.length) return bytes;
  throw refused('TEXT_CHANGED', target.path, `${bytes.byteLength} bytes came that are not the ${target.length} signed`);
}
