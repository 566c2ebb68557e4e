import { isRejected, orThrow, reject, type Rejected } from '@lastcall/kernel';
import type { Duty } from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import type { Target } from '@lastcall/trust';
import type { BlobStore } from './blobs.js';
import { actOn } from './decide.js';
import { releaseId, type Documents } from './documents.js';
import { productDecider } from './domain/product.js';
import {
  isSigned,
  releaseDecider,
  type KnownRelease,
  type ReleaseContent,
  type ReleaseState,
} from './domain/release.js';
import { productMachine, releaseMachine } from './machines.js';
import { missingBlobs, readTrees } from './releases.js';
import type { ReleasesOfProducts, Scope, SignedRelease } from './tuf/desired.js';
import type { Repository } from './tuf/repository.js';

/*
 * Publication in steps, each of which can be repeated: the release is `publishing` → it stands in the signed repository → the channel's
 * head is raised → the release is `published`. Whoever finds a release that is publishing carries on from any point: the same
 * call again, or the keeper. Nobody is offered a release before its last step.
 */

export interface Publishing {
  publish(product: string, version: string, channel: string): Promise<KnownRelease | Rejected>;
  withdraw(product: string, version: string, reason: string): Promise<Withdrawn | Rejected>;
  readonly keeper: Duty;
}

export interface Withdrawn {
  readonly release: KnownRelease;
  /** The lists that people signed name it until they sign again. */
  readonly stillListed: boolean;
}

export interface PublishingParts {
  readonly documents: Documents;
  readonly blobs: BlobStore;
  readonly repository: Repository;
}

const KEEPER_EVERY_MS = 60_000;
const PAGE = 1_000;

export function createPublishing(parts: PublishingParts): Publishing {
  return {
    publish: (product, version, channel) => publish(parts, product, version, channel),
    withdraw: (product, version, reason) => withdraw(parts, product, version, reason),
    keeper: {
      name: 'publication-keeper',
      everyMs: KEEPER_EVERY_MS,
      runOnce: async () => {
        const { items } = await parts.documents.releases.query({
          index: 'state',
          where: { state: 'publishing' },
          limit: PAGE,
        });
        // First, and also without a new release: signatures are renewed long before they end.
        await parts.repository.keep();
        const ends = await Promise.allSettled(items.map(({ id }) => finish(parts, id)));
        const failed = ends.find((end) => end.status === 'rejected');
        if (failed) throw failed.reason;
        return parts.repository.renewalAt();
      },
    },
  };
}

async function publish(
  parts: PublishingParts,
  product: string,
  version: string,
  channel: string,
): Promise<KnownRelease | Rejected> {
  const { documents } = parts;
  const id = releaseId(product, version);
  const release = (await documents.releases.get(id))?.data ?? releaseDecider.initial;
  const refused = release.state === 'absent' ? undefined : await checkReady(parts, release, channel);
  if (refused) return refused;
  // In this order a channel's head may stand at a release that is not in it yet; it is offered to nobody then.
  if (release.state === 'published') orThrow(await raise(documents, product, version, channel));
  const content = release.state === 'absent' ? undefined : release.content;
  if (!content) return reject('not-found', 'RELEASE_NOT_FOUND', `there is no release ${version} of ${product}`);
  if (release.state === 'draft' && (await parts.repository.isOffline())) return signaturesNeeded(version);
  const begun = await actOn(documents.releases, releaseMachine).carryOut(id, () => {
    return { type: 'begin-publication', content, channel };
  });
  return isRejected(begun) ? begun : finish(parts, id);
}

/** What can be refused is refused before anything begins. */
export async function checkReady(
  parts: PublishingParts,
  release: KnownRelease,
  channel: string,
): Promise<Rejected | undefined> {
  const { content } = release;
  const product = (await parts.documents.products.get(content.product))?.data ?? productDecider.initial;
  const head = productDecider.decide(product, { type: 'raise-channel', channel, version: content.version });
  if (isRejected(head)) return head;
  if (release.state !== 'draft') return undefined;
  return checkBlobs(parts.blobs, content);
}

async function checkBlobs(blobs: BlobStore, content: ReleaseContent): Promise<Rejected | undefined> {
  const trees = await readTrees(blobs, content);
  if (isRejected(trees)) return trees;
  const files = new Map(trees.flatMap((tree) => tree.files.map((file) => [file.sha256, file.size] as const)));
  const missing = await missingBlobs(blobs, files);
  if (isRejected(missing)) return missing;
  if (missing.length === 0) return undefined;
  const message = `${missing.length} of the release's files are not uploaded yet; upload them and publish again`;
  return reject('refused', 'BLOBS_MISSING', message, {
    facts: { missing: String(missing.length), first: missing[0] ?? '' },
  });
}

/** Carries a publication on from wherever it is. */
export async function finish({ documents, repository }: PublishingParts, id: string): Promise<KnownRelease | Rejected> {
  const before = (await documents.releases.get(id))?.data;
  if (before?.state === 'publishing') {
    const { product, version } = before.content;
    await repository.publish(product);
    if (!(await isSignedNow(repository, before.content))) return signaturesNeeded(version);
    orThrow(await raise(documents, product, version, before.channel));
    await actOn(documents.releases, releaseMachine).carryOut(id, (at) => ({ type: 'finish-publication', at }));
  }
  const after = (await documents.releases.get(id))?.data;
  if (after?.state === 'withdrawn') {
    // Withdrawn while it was being published: what was signed meanwhile goes again.
    await repository.publish(after.content.product);
    return reject('refused', 'RELEASE_WITHDRAWN', 'the release was withdrawn while it was being published');
  }
  return known(after);
}

async function isSignedNow(repository: Repository, content: ReleaseContent): Promise<boolean> {
  const signed = await Promise.all(
    targetsOfRelease(content).map(async ({ path, sha256 }) => (await repository.target(path)) === sha256),
  );
  return signed.every(Boolean);
}

function signaturesNeeded(version: string): Rejected {
  const message = `this catalog's releases are signed with keys that are not on it, and ${version} is not signed yet: "lastcall release publish FOLDER --keys DIR", or "lastcall release prepare" and "lastcall release sign" where the keys are`;
  return reject('refused', 'SIGNATURES_NEEDED', message);
}

function known(release: ReleaseState | undefined): KnownRelease | Rejected {
  if (release && release.state !== 'absent') return release;
  return reject('not-found', 'RELEASE_NOT_FOUND', 'there is no such release');
}

async function raise(
  documents: Documents,
  product: string,
  version: string,
  channel: string,
): Promise<Rejected | undefined> {
  const raised = await actOn(documents.products, productMachine).carryOut(product, () => {
    return { type: 'raise-channel', channel, version };
  });
  return isRejected(raised) ? raised : undefined;
}

async function withdraw(
  { documents, repository }: PublishingParts,
  product: string,
  version: string,
  reason: string,
): Promise<Withdrawn | Rejected> {
  const outcome = await actOn(documents.releases, releaseMachine).carryOut(releaseId(product, version), () => {
    return { type: 'withdraw', reason };
  });
  if (isRejected(outcome)) return outcome;
  await repository.publish(product);
  const release = known(outcome.state);
  return isRejected(release) ? release : { release, stillListed: await isSignedNow(repository, release.content) };
}

/** Releases that stand in the signed repository, of some products or of all. */
async function signedReleases(documents: Documents, product?: string): Promise<readonly SignedState[]> {
  const found: Document<ReleaseState>[] = [];
  let pageToken: string | undefined;
  do {
    const page = await documents.releases.query({
      index: 'signed',
      where: product === undefined ? { signed: true } : { signed: true, product },
      limit: PAGE,
      ...(pageToken === undefined ? {} : { pageToken }),
    });
    found.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return found.map(({ data }) => data).filter(isSigned);
}

type SignedState = Extract<ReleaseState, { state: 'publishing' | 'published' }>;

/** What the signed repository has to say about these products, as their releases are now. */
export async function readReleases(documents: Documents, scope: Scope): Promise<ReleasesOfProducts> {
  const releases = new Map<string, SignedRelease[]>();
  const products = scope === 'all' ? [undefined] : [...scope];
  for (const { content, createdAt } of (await Promise.all(products.map((p) => signedReleases(documents, p)))).flat()) {
    const known = releases.get(content.product) ?? [];
    releases.set(content.product, known);
    known.push(toSigned(content, createdAt));
  }
  return releases;
}

export function toSigned(content: ReleaseContent, createdAt: number): SignedRelease {
  const year = new Date(createdAt).getUTCFullYear();
  return { version: content.version, year, targets: targetsOfRelease(content) };
}

function targetsOfRelease(content: ReleaseContent): readonly Target[] {
  const { product, version } = content;
  const folder = `${product}/${version}`;
  return [
    { path: `${folder}/lastcall.yaml`, bytes: content.manifestBytes, sha256: content.manifestSha256 },
    ...content.artifacts.map(({ role, platform, treeBytes, treeSha256 }) => ({
      path: `${folder}/${role}-${platform}.tree.json`,
      bytes: treeBytes,
      sha256: treeSha256,
    })),
  ];
}
