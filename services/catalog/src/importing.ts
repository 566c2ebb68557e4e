import { formatName } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS, isRejected, orThrow, reject, sha256Hex, type Rejected } from '@lastcall/kernel';
import type { Duty, Logger } from '@lastcall/runtime';
import { parseMirrorIndex, rootsOf, type MirrorIndex } from '@lastcall/trust';
import type { TrustedTexts } from '@lastcall/trust/client';
import { actOn } from './decide.js';
import { releaseId } from './documents.js';
import type { ReleaseContent } from './domain/release.js';
import { productMachine, releaseMachine } from './machines.js';
import { finish, type Publishing, type PublishingParts } from './publishing.js';
import { ofAnother, type Mirror, type MirrorDocument } from './tuf/mirror.js';
import { verifyImport, type VerifiedImport } from './verify-import.js';

/*
 * What another catalog has signed becomes what this one serves. Nothing is changed before all of it was verified and every file is here. Then the
 * order of every publication: the releases are `publishing`, the metadata appears in one write, the releases are `published`; and
 * what is signed no more is withdrawn. Whatever is interrupted goes on when the same is imported again.
 */

export interface ImportWish {
  /** Hash of the blob with the mirror index. */
  readonly blob: string;
  /** SHA-256 of the root to pin; empty: the one that was pinned. */
  readonly root: string;
  readonly channel: string;
}

export interface Imported {
  readonly missing: readonly string[];
  /** Absent while blobs are missing. */
  readonly mirror?: MirrorDocument;
  /** Names of releases. */
  readonly published: readonly string[];
  readonly withdrawn: readonly string[];
}

export interface Importing {
  /** What was carried here, verified. `mayPin`: whether the caller may say whom this catalog believes. */
  check(wish: ImportWish, mayPin: boolean): Promise<CheckedImport | Rejected>;
  readonly watch: Duty;
}

export interface CheckedImport {
  /** Whether it says whom this catalog believes from then on. */
  readonly pins: boolean;
  perform(): Promise<Imported | Rejected>;
}

export interface ImportingParts extends PublishingParts {
  readonly mirror: Mirror;
  readonly publishing: Publishing;
  /** After a release was withdrawn because the first catalog signs it no more. */
  readonly onWithdrawn: (product: string, version: string) => Promise<void>;
  readonly log: Logger;
  readonly now: () => Promise<number>;
}

const WATCH_EVERY_MS = 12 * HOUR_MS;
const WARN_BEFORE_MS = 3 * DAY_MS;

export function createImporting(parts: ImportingParts): Importing {
  return {
    check: (wish, mayPin) => checkImport(parts, wish, mayPin),
    watch: { name: 'mirror-watch', everyMs: WATCH_EVERY_MS, runOnce: () => watch(parts) },
  };
}

/** Says in the log, twice a day, that hosts are about to refuse what this mirror serves. */
async function watch({ mirror, log, now }: ImportingParts): Promise<undefined> {
  const { head } = (await mirror.read()) ?? {};
  if (!head || head.expiresAt > (await now()) + WARN_BEFORE_MS) return undefined;
  const until = new Date(head.expiresAt).toISOString();
  log.warn(
    { until },
    'the mirror runs out: "lastcall mirror export" at the first catalog, "lastcall mirror import" here',
  );
  return undefined;
}

async function checkImport(
  parts: ImportingParts,
  wish: ImportWish,
  mayPin: boolean,
): Promise<CheckedImport | Rejected> {
  const index = await readIndex(parts, wish.blob);
  if (isRejected(index)) return index;
  const before = await parts.mirror.read();
  const start = await startOf(parts, index, before, wish.root, mayPin);
  if (isRejected(start)) return start;
  const verified = await verifyImport(parts, index, start.trusted);
  if (isRejected(verified)) return verified;
  const { missing } = verified;
  if (missing.length > 0) return { pins: false, perform: async () => ({ missing, published: [], withdrawn: [] }) };
  const { pinnedRoot } = start;
  const perform = (): Promise<Imported | Rejected> => importMirror(parts, wish, { before, pinnedRoot, verified });
  return { pins: before === undefined, perform };
}

interface Verified {
  readonly before: MirrorDocument | undefined;
  readonly pinnedRoot: string;
  readonly verified: VerifiedImport;
}

async function importMirror(
  parts: ImportingParts,
  { channel }: ImportWish,
  { before, pinnedRoot, verified }: Verified,
): Promise<Imported | Rejected> {
  const { releases, gone } = verified;
  const refused = await parts.mirror.begin(pinnedRoot);
  if (refused) return refused;
  for (const content of releases) orThrow(await begin(parts, content, channel));
  const conflict = await parts.mirror.commit(before?.head ?? null, verified);
  if (conflict) return conflict;
  for (const { product, version } of releases) orThrow(await finish(parts, releaseId(product, version)));
  for (const { product, version } of gone) {
    orThrow(await parts.publishing.withdraw(product, version, GONE));
    await parts.onWithdrawn(product, version);
  }
  const mirror = await parts.mirror.read();
  const nameOf = ({ product, version }: { product: string; version: string }): string =>
    formatName('release', { product, version });
  return { missing: [], ...(mirror && { mirror }), published: releases.map(nameOf), withdrawn: gone.map(nameOf) };
}

const GONE = 'The catalog that this one mirrors signs it no more.';

async function readIndex({ blobs }: ImportingParts, blob: string): Promise<MirrorIndex | Rejected> {
  const bytes = await blobs.read(blob);
  if (!bytes) return reject('not-found', 'BLOB_NOT_FOUND', `there is no blob ${blob}; upload the mirror index first`);
  const index = parseMirrorIndex(bytes);
  return typeof index === 'string' ? reject('refused', 'MIRROR_INDEX_WRONG', `the blob ${blob} ${index}`) : index;
}

interface Start {
  readonly pinnedRoot: string;
  readonly trusted: TrustedTexts;
}

/** What is believed before the walk. */
async function startOf(
  parts: ImportingParts,
  index: MirrorIndex,
  before: MirrorDocument | undefined,
  root: string,
  mayPin: boolean,
): Promise<Start | Rejected> {
  if (before && root !== '' && root !== before.pinnedRoot) return ofAnother(before.pinnedRoot);
  const pinnedRoot = before?.pinnedRoot ?? root;
  if (before?.head) return { pinnedRoot, trusted: await parts.mirror.trusted(before.head) };
  const refused = before ? undefined : await checkFirst(parts, root, mayPin);
  if (refused) return refused;
  const pinned = rootsOf(index).find(({ text }) => sha256Hex(text) === pinnedRoot);
  if (!pinned) return reject('refused', 'ROOT_NOT_FOUND', rootNotFound(pinnedRoot));
  return { pinnedRoot, trusted: new Map([['root', Buffer.from(pinned.text)]]) };
}

function rootNotFound(pinnedRoot: string): string {
  return `no root in what was carried here has the SHA-256 ${pinnedRoot}: it comes from another catalog, or was changed. Nothing was changed; compare with what "lastcall mirror export" said`;
}

async function checkFirst({ documents }: ImportingParts, root: string, mayPin: boolean): Promise<Rejected | undefined> {
  if (!mayPin) {
    return reject('not-permitted', 'ADMIN_NEEDED', 'the first import says whom this catalog believes; an administrator does it'); // prettier-ignore
  }
  if (root === '') {
    return reject('refused', 'ROOT_NEEDED', 'the first import pins a root: name its SHA-256, as "lastcall mirror export" says it'); // prettier-ignore
  }
  const [signed, withdrawn] = await Promise.all([
    documents.releases.query({ index: 'signed', where: { signed: true }, limit: 1 }),
    documents.releases.query({ index: 'state', where: { state: 'withdrawn' }, limit: 1 }),
  ]);
  if (signed.items.length + withdrawn.items.length === 0) return undefined;
  const message =
    'this catalog has releases of its own, signed with its own keys; a mirror of another one needs a catalog (a data folder) of its own';
  return reject('refused', 'CATALOG_HAS_RELEASES', message);
}

/** A release as its publication begins; into the channel that it is being published into already, when that was interrupted. */
async function begin(
  { documents }: ImportingParts,
  content: ReleaseContent,
  channel: string,
): Promise<Rejected | undefined> {
  const { product, version, title } = content;
  if (!(await documents.products.get(product))) {
    const created = await actOn(documents.products, productMachine).carryOut(product, (at) => {
      return { type: 'create', title, at };
    });
    if (isRejected(created) && created.code !== 'already-exists') return created;
  }
  const release = actOn(documents.releases, releaseMachine);
  const drafted = await release.carryOut(releaseId(product, version), (at) => ({ type: 'draft', content, at }));
  if (isRejected(drafted)) return drafted;
  if (drafted.state.state === 'publishing') return undefined;
  const begun = await release.carryOut(releaseId(product, version), () => {
    return { type: 'begin-publication', content, channel };
  });
  return isRejected(begun) ? begun : undefined;
}
