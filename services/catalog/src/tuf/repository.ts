import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY_MS, sha256Hex } from '@lastcall/kernel';
import type { Collection } from '@lastcall/store';
import {
  delegatedProducts,
  isIdle,
  nextRenewalAt,
  planRepository,
  productRole,
  TOP_ROLE,
  type Lifetimes,
  type RepositoryHead,
  type RepositoryPlan,
  type SignedFile,
  type SignedRole,
} from '../domain/repository.js';
import { readIfThere, writeWhole } from '../files.js';
import { DEFAULT_POLICY, loadKeys, type RoleKeys, type TufKey, type TufPolicy } from './keys.js';
import {
  delegationsOf,
  describeFile,
  signSnapshot,
  signTargets,
  signTimestamp,
  targetsOf,
  trustOf,
  type Target,
} from './metadata.js';
import { ensureRoot, type CurrentRoot } from './roots.js';

/*
 * The signed repository. Owns that what clients can see is always whole: every file but the timestamp is immutable and named by its version,
 * written in the order roles, snapshot; the timestamp is the last, one write of one document, and that is the publication. A
 * crash before it leaves files that nobody refers to; the next pass writes others.
 *
 * A pass brings the metadata in line with the releases as they are then, so it needs no memory of what it was called for. Passes of one
 * process follow each other and calls that wait share one. Between processes the document decides: each pass takes a number, which
 * names its files, and its publication counts only on the head that it began from; otherwise it begins anew.
 */

export interface RepositoryDocument {
  /** Last number that a pass has taken. */
  readonly number: number;
  readonly head: RepositoryHead | null;
}

/** Where a pass stands; for tests that end it there. */
export type PassStep = 'begun' | 'role-written' | 'snapshot-written' | 'published';

export interface RepositoryOptions {
  readonly dir: string;
  readonly documents: Collection<RepositoryDocument>;
  /** Targets of each product as the releases are now. */
  readonly targets: () => Promise<ReadonlyMap<string, readonly Target[]>>;
  readonly now: () => Promise<number>;
  readonly policy?: TufPolicy;
  readonly lifetimes?: Lifetimes;
  readonly onStep?: (step: PassStep) => void;
}

export interface Repository {
  /** Resolves when clients can see what the releases say. */
  publish(): Promise<void>;
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
const DOCUMENT = 'main';
/** A client that began with an older timestamp may still fetch the files that it names. */
const KEEP_UNREFERENCED_MS = 2 * DAY_MS;

interface Opened {
  readonly options: RepositoryOptions & { readonly policy: TufPolicy; readonly lifetimes: Lifetimes };
  readonly metadataDir: string;
  readonly keys: RoleKeys;
  root: CurrentRoot;
}

export async function openRepository(given: RepositoryOptions): Promise<Repository> {
  const options = { policy: DEFAULT_POLICY, lifetimes: DEFAULT_LIFETIMES, ...given };
  const metadataDir = join(options.dir, 'metadata');
  await mkdir(metadataDir, { recursive: true });
  const keys = await loadKeys(join(options.dir, 'keys'), options.policy);
  const root = await ensureRoot(metadataDir, keys, options.policy, await options.now());
  const opened: Opened = { options, metadataDir, keys, root };
  const lookUp = createLookUp(opened);
  return {
    publish: shared(() => publishPass(opened)),
    renewalAt: async () => {
      const head = await readHead(opened);
      const renewals = head ? nextRenewalAt(head, options.lifetimes) : 0;
      return Math.min(renewals, opened.root.renewAt);
    },
    metadata: (name) => readMetadata(opened, name),
    target: lookUp,
  };
}

/** One at a time; a call made meanwhile gets one more pass, which all who wait share. */
function shared(pass: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const call = (): Promise<void> => {
    if (!running) {
      running = pass().finally(() => {
        running = undefined;
      });
      return running;
    }
    const before = running;
    next ??= (async () => {
      await before.catch(() => undefined); // Its own callers hear of it.
      next = undefined;
      return call();
    })();
    return next;
  };
  return call;
}

async function readHead({ options }: Opened): Promise<RepositoryHead | undefined> {
  return (await options.documents.get(DOCUMENT))?.data.head ?? undefined;
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
  if (name === 'root.json') return opened.root.bytes;
  if (name === 'timestamp.json') {
    const head = await readHead(opened);
    return head && Buffer.from(head.timestamp.text);
  }
  return /^\d{1,15}\.[a-z0-9-]{1,80}\.json$/.test(name) ? readIfThere(join(opened.metadataDir, name)) : undefined;
}

/** What every role has to say. */
interface Desired {
  readonly bodies: Readonly<Record<string, Record<string, unknown>>>;
  readonly digests: { readonly roles: Readonly<Record<string, string>>; readonly keysDigest: string };
}

async function readDesired({ options, keys }: Opened, head: RepositoryHead | undefined): Promise<Desired> {
  const targets = await options.targets();
  const products = [...new Set([...delegatedProducts(head), ...targets.keys()])].toSorted();
  const roles = products.map((product) => ({ product, role: productRole(product) }));
  const bodies = Object.fromEntries([
    ...roles.map(({ product, role }) => [role, targetsOf(targets.get(product) ?? [])] as const),
    [TOP_ROLE, delegationsOf(roles, keys, options.policy)] as const,
  ]);
  const trust = JSON.stringify(trustOf(keys, options.policy));
  const releaseKeys = JSON.stringify([keys.releases.map((key) => key.id), options.policy.releases]);
  const digestOf = (role: string, body: unknown): string =>
    sha256Hex(JSON.stringify(body) + (role === TOP_ROLE ? trust : releaseKeys));
  const digests = Object.fromEntries(Object.entries(bodies).map(([role, body]) => [role, digestOf(role, body)]));
  return { bodies, digests: { roles: digests, keysDigest: sha256Hex(trust) } };
}

/** Passes until one counts, or nothing is left to do. */
async function publishPass(opened: Opened): Promise<void> {
  const { options } = opened;
  const now = await options.now();
  if (now >= opened.root.renewAt) {
    opened.root = await ensureRoot(opened.metadataDir, opened.keys, options.policy, now);
  }
  for (;;) {
    const seen = await readHead(opened);
    const peek = await planFor(opened, seen, (await readDesired(opened, seen)).digests, now);
    if (isIdle(peek)) return;
    // Taken before the releases are read: a pass with a higher number knows all that one with a lower number was asked for.
    const { number, head } = await takeNumber(opened);
    const desired = await readDesired(opened, head);
    const plan = await planFor(opened, head, desired.digests, now);
    if (isIdle(plan)) return;
    options.onStep?.('begun');
    const next = await writeFiles(opened, { head, desired, plan, number, now });
    if (await commit(opened, head, next)) {
      options.onStep?.('published');
      await removeUnreferenced(opened, next);
      return;
    }
  }
}

async function planFor(
  { options, metadataDir }: Opened,
  head: RepositoryHead | undefined,
  desired: Desired['digests'],
  now: number,
): Promise<RepositoryPlan> {
  return planRepository(await withFiles(head, metadataDir), desired, options.lifetimes, now);
}

async function takeNumber({
  options,
  metadataDir,
}: Opened): Promise<{ number: number; head: RepositoryHead | undefined }> {
  // Beyond what is on disk too: a store that was restored from a backup must not go back in what clients have seen.
  const onDisk = Math.max(0, ...(await readdir(metadataDir)).map(numberOf));
  return options.documents.change(DOCUMENT, (current) => {
    const number = Math.max(current?.number ?? 0, onDisk) + 1;
    const head = current?.head ?? null;
    return { write: { number, head }, result: { number, head: head ?? undefined } };
  });
}

function numberOf(name: string): number {
  const match = /^(\d+)\.(?!root\.)[a-z0-9-]+\.json$/.exec(name);
  return match ? Number(match[1]) : 0;
}

interface Pass {
  readonly head: RepositoryHead | undefined;
  readonly desired: Desired;
  readonly plan: RepositoryPlan;
  readonly number: number;
  readonly now: number;
}

async function writeFiles(opened: Opened, pass: Pass): Promise<RepositoryHead> {
  const { options, keys } = opened;
  const roles = { ...pass.head?.roles };
  for (const role of pass.plan.roles) roles[role] = await writeRole(opened, pass, role);
  const snapshot = await writeSnapshot(opened, pass, roles);
  const expiresAt = pass.now + options.lifetimes.timestampMs;
  const text = signTimestamp(pass.number, expiresAt, snapshot, keys.timestamp).toString('utf8');
  const { keysDigest } = pass.desired.digests;
  return { roles, snapshot, keysDigest, timestamp: { version: pass.number, expiresAt, text } };
}

async function writeRole({ options, keys, metadataDir }: Opened, pass: Pass, role: string): Promise<SignedRole> {
  const signers: readonly TufKey[] = role === TOP_ROLE ? keys.targets : keys.releases;
  const expiresAt = pass.now + options.lifetimes.targetsMs;
  const bytes = signTargets(pass.number, expiresAt, pass.desired.bodies[role] ?? {}, signers);
  await writeWhole(join(metadataDir, `${pass.number}.${role}.json`), bytes);
  options.onStep?.('role-written');
  return { ...describeFile(pass.number, expiresAt, bytes), digest: pass.desired.digests.roles[role] ?? '' };
}

async function writeSnapshot(
  { options, keys, metadataDir }: Opened,
  { head, plan, number, now }: Pass,
  roles: Readonly<Record<string, SignedRole>>,
): Promise<SignedFile> {
  if (!plan.snapshot && head) return head.snapshot;
  const expiresAt = now + options.lifetimes.snapshotMs;
  const bytes = signSnapshot(number, expiresAt, roles, keys.snapshot);
  await writeWhole(join(metadataDir, `${number}.snapshot.json`), bytes);
  options.onStep?.('snapshot-written');
  return describeFile(number, expiresAt, bytes);
}

/** The publication. Refused when another pass has published since this one began. */
async function commit({ options }: Opened, from: RepositoryHead | undefined, to: RepositoryHead): Promise<boolean> {
  return options.documents.change(DOCUMENT, (current) => {
    if ((current?.head?.timestamp.version ?? 0) !== (from?.timestamp.version ?? 0)) return { keep: false };
    return { write: { number: Math.max(current?.number ?? 0, to.timestamp.version), head: to }, result: true };
  });
}

async function removeUnreferenced({ metadataDir }: Opened, head: RepositoryHead): Promise<void> {
  const referenced = new Set([
    `${head.snapshot.version}.snapshot.json`,
    ...Object.entries(head.roles).map(([role, { version }]) => `${version}.${role}.json`),
  ]);
  for (const name of await readdir(metadataDir)) {
    const isOurs = numberOf(name) > 0 || name.endsWith('.tmp');
    if (!isOurs || referenced.has(name)) continue;
    const path = join(metadataDir, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity })); // Another process has removed it.
    if (mtimeMs < Date.now() - KEEP_UNREFERENCED_MS) await rm(path, { force: true });
  }
}

/** Signed targets by path. What a role says is read once for each of its versions. */
function createLookUp(opened: Opened): Repository['target'] {
  const known = new Map<string, { readonly version: number; readonly targets: ReadonlyMap<string, string> }>();
  return async (path) => {
    const role = productRole(path.split('/')[0] ?? '');
    const version = (await readHead(opened))?.roles[role]?.version;
    if (version === undefined) return undefined;
    const cached = known.get(role);
    if (cached?.version === version) return cached.targets.get(path);
    const bytes = await readIfThere(join(opened.metadataDir, `${version}.${role}.json`));
    if (!bytes) return undefined;
    const { signed } = JSON.parse(bytes.toString('utf8')) as {
      signed: { targets: Record<string, { hashes: { sha256: string } }> };
    };
    const targets = new Map(Object.entries(signed.targets).map(([p, target]) => [p, target.hashes.sha256]));
    known.set(role, { version, targets });
    return targets.get(path);
  };
}
