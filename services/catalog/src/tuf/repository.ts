import { join } from 'node:path';
import { HOUR_MS, MAX_WITHDRAWN, type Rejected } from '@lastcall/kernel';
import type { SigningRequest } from '@lastcall/trust';
import {
  delegatedProducts,
  isIdle,
  nextRenewalAt,
  planRepository,
  productRole,
  TOP_ROLE,
  yearRolesOf,
  type RepositoryHead,
} from '../domain/repository.js';
import { readIfThere } from '../files.js';
import { ownAuthority, settle } from './authority.js';
import type { Scope } from './desired.js';
import {
  authorityNow,
  desiredFor,
  openPlace,
  ownKeys,
  planFor,
  withFiles,
  type Opened,
  type RepositoryOptions,
} from './opened.js';
import { ensureRoot } from './roots.js';
import {
  checkSigning,
  prepareSigning,
  readSigningState,
  type CheckedSigning,
  type SigningState,
  type SigningWish,
} from './signing.js';
import { versionsOf } from './signed-roles.js';
import { commit, readHead, signHead, signRole, takeNumber, writeRole } from './writing.js';

/*
 * The signed repository. Owns that what clients can see is always whole: every file but the timestamp is immutable and named by its version,
 * written in the order roles, snapshot; the timestamp is the last, one write of one document, and that is the publication. A
 * crash before it leaves files that nobody refers to; the next pass writes others.
 *
 * A pass brings the metadata in line with the releases as they are then, so it needs no memory of what it was called for. Passes of one
 * process follow each other and calls that wait share one. Between processes the document decides: each pass takes a number, which
 * names its files, and its publication counts only on the head that it began from; otherwise it begins anew.
 *
 * Since the keys were handed over (`offline` in the head) a pass renews snapshot and timestamp, and nothing else. What was withdrawn since then
 * cannot leave the lists without their keys; the snapshot says it instead (ADR 25).
 */

export interface Repository {
  /** Resolves when clients can see what the releases (of this product, or of all) say, as far as the keys for it are here. */
  publish(product?: string): Promise<void>;
  /** Renews what is due; looks at all releases at the first call and once an hour, for what was interrupted elsewhere. */
  keep(): Promise<void>;
  /** When a signature has to be renewed; known after the first publication. */
  renewalAt(): Promise<number>;
  /** A metadata file by its name, `timestamp.json` and `root.json` (the newest) included. */
  metadata(name: string): Promise<Buffer | undefined>;
  /** Hash of a target that is signed now, by its path without hash. */
  target(path: string): Promise<string | undefined>;
  /** Whether what a publication changes is signed by keys that are not here. */
  isOffline(): Promise<boolean>;
  /** What has to be signed, as a file for those who have the keys. */
  prepare(wish: SigningWish): Promise<Buffer | Rejected>;
  /** What they have signed. */
  check(request: SigningRequest, release: SigningWish['release']): Promise<CheckedSigning | Rejected>;
  signingState(): Promise<SigningState | Rejected>;
}

/** Reading thousands of releases costs a second. */
const LOOK_EVERY_MS = HOUR_MS;

export async function openRepository(given: RepositoryOptions): Promise<Repository> {
  const opened = await openPlace(given);
  const publish = shared((scope) => publishPass(opened, scope));
  const renewalAt = async (): Promise<number> => {
    const head = await readHead(opened.place);
    const renewals = head ? nextRenewalAt(head, opened.place.lifetimes) : 0;
    return Math.min(renewals, head?.offline ? Infinity : (opened.own?.root.renewAt ?? Infinity));
  };
  let lookedAt = -Infinity;
  return {
    publish,
    renewalAt,
    keep: async () => {
      const now = await opened.options.now();
      if (now < lookedAt + LOOK_EVERY_MS && now < (await renewalAt())) return;
      await publish();
      lookedAt = now;
    },
    metadata: (name) => readMetadata(opened, name),
    target: async (path) => (await opened.roles.find(await readHead(opened.place), path))?.sha256,
    isOffline: async () => (await readHead(opened.place))?.offline !== undefined,
    prepare: (wish) => prepareSigning(opened, wish),
    check: (request, release) => checkSigning(opened, request, release),
    signingState: () => readSigningState(opened),
  };
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

/** Passes until one counts, or nothing is left to do. */
async function publishPass(opened: Opened, scope: Scope): Promise<void> {
  const now = await opened.options.now();
  for (;;) {
    const seen = await readHead(opened.place);
    if (await (seen?.offline ? renewOnline(opened, seen, scope, now) : signAll(opened, scope, now))) return;
  }
}

/** Everything, with keys that are all here. Answers whether it is done. */
async function signAll(opened: Opened, scope: Scope, now: number): Promise<boolean> {
  const { place, options } = opened;
  const { root, keys } = (opened.own ??= await ownKeys(opened));
  if (now >= root.renewAt) opened.own.root = await ensureRoot(place.metadataDir, keys, options.policy, now);
  const authority = ownAuthority(keys, options.policy);
  const seen = await readHead(place);
  // Whoever names a product has changed something about it; a look at all of them mostly finds nothing.
  if (scope === 'all') {
    const peek = await desiredFor(opened, seen, authority, scope);
    if (isIdle(await planFor(opened, seen, peek, now))) return true;
  }
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

/** Snapshot and timestamp, long before they end, and when something was withdrawn. */
async function renewOnline(opened: Opened, seen: RepositoryHead, scope: Scope, now: number): Promise<boolean> {
  const { place } = opened;
  if (seen.offline) await settle(place.metadataDir, opened.keysDir, seen.offline);
  const files = await withFiles(seen, place.metadataDir);
  const snapshot = files?.snapshot ?? seen.snapshot;
  const plan = planRepository({ ...seen, snapshot }, { roles: {}, keysDigest: seen.keysDigest }, place.lifetimes, now);
  const withdrawn = await findWithdrawn(opened, seen, scope);
  const isNews = withdrawn.join() !== (seen.withdrawn ?? []).join();
  if (isIdle(plan) && !isNews) return true;
  const authority = await authorityNow(opened, seen);
  const { number, head } = await takeNumber(place);
  if (head?.timestamp.version !== seen.timestamp.version) return false;
  const { roles, keysDigest, offline } = seen;
  const next = { before: seen, roles, snapshot: plan.snapshot || isNews, keysDigest, offline, withdrawn, number, now };
  return commit(place, seen, await signHead(place, authority, next));
}

/** What the signed lists name and the releases do not. The head is older than the look at them, so nothing new is missed. */
async function findWithdrawn(
  { options, roles }: Opened,
  head: RepositoryHead,
  scope: Scope,
): Promise<readonly string[]> {
  const releases = await options.releases(scope);
  const looked = scope === 'all' ? delegatedProducts(head) : [...scope];
  const isLookedAt = (name: string): boolean => looked.includes(name.split('/')[0] ?? '');
  const found = new Set((head.withdrawn ?? []).filter((name) => !isLookedAt(name)));
  for (const product of looked) {
    const versions = new Set((releases.get(product) ?? []).map(({ version }) => version));
    for (const role of [...yearRolesOf(head, product), productRole(product)]) {
      const gone = versionsOf(await roles.targets(head, role)).filter((version) => !versions.has(version));
      for (const version of gone) found.add(`${product}/${version}`);
    }
  }
  return [...found].toSorted().slice(0, MAX_WITHDRAWN);
}
