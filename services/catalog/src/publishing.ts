import { isRejected, orThrow, reject, type Rejected } from '@lastcall/kernel';
import type { Duty } from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import type { BlobStore } from './blobs.js';
import { actOn } from './decide.js';
import { releaseId, type Documents } from './documents.js';
import { productDecider } from './domain/product.js';
import { releaseDecider, type KnownRelease, type ReleaseContent, type ReleaseState } from './domain/release.js';
import { productMachine, releaseMachine } from './machines.js';
import { missingBlobs, readTrees } from './releases.js';
import type { Target } from './tuf/metadata.js';
import type { Repository } from './tuf/repository.js';

/*
 * Publication in steps, each of which can be repeated: the release is `publishing` → it stands in the signed repository → the channel's
 * head is raised → the release is `published`. Whoever finds a release that is publishing carries on from any point: the same
 * call again, or the keeper. Nobody is offered a release before its last step.
 */

export interface Publishing {
  publish(product: string, version: string, channel: string): Promise<KnownRelease | Rejected>;
  withdraw(product: string, version: string, reason: string): Promise<KnownRelease | Rejected>;
  readonly keeper: Duty;
}

interface Parts {
  readonly documents: Documents;
  readonly blobs: BlobStore;
  readonly repository: Repository;
}

/** Signing grows with the square of a role's targets. */
export const MAX_TARGETS = 1_000;
const KEEPER_EVERY_MS = 60_000;
const PAGE = 1_000;

export function createPublishing(parts: Parts): Publishing {
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
        await parts.repository.publish();
        const ends = await Promise.allSettled(items.map(({ id }) => finish(parts, id)));
        const failed = ends.find((end) => end.status === 'rejected');
        if (failed) throw failed.reason;
        return parts.repository.renewalAt();
      },
    },
  };
}

async function publish(
  parts: Parts,
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
  const begun = await actOn(documents.releases, releaseMachine).carryOut(id, () => {
    return { type: 'begin-publication', content, channel };
  });
  return isRejected(begun) ? begun : finish(parts, id);
}

/** What can be refused is refused before anything begins. */
async function checkReady(parts: Parts, release: KnownRelease, channel: string): Promise<Rejected | undefined> {
  const { content } = release;
  const product = (await parts.documents.products.get(content.product))?.data ?? productDecider.initial;
  const head = productDecider.decide(product, { type: 'raise-channel', channel, version: content.version });
  if (isRejected(head)) return head;
  if (release.state !== 'draft') return undefined;
  return (await checkBlobs(parts.blobs, content)) ?? checkRoom(parts.documents, content);
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

async function checkRoom(documents: Documents, content: ReleaseContent): Promise<Rejected | undefined> {
  const signed = await signedReleases(documents, content.product);
  const targets = signed.reduce((sum, release) => sum + targetCount(release), targetCount(content));
  if (targets <= MAX_TARGETS) return undefined;
  const message = `${content.product} would have ${targets} signed files, and at most ${MAX_TARGETS} are allowed; withdraw releases that nobody needs any more`;
  return reject('too-many', 'TOO_MANY_TARGETS', message);
}

/** One for the manifest and one for each tree. */
const targetCount = (content: ReleaseContent): number => content.artifacts.length + 1;

async function finish({ documents, repository }: Parts, id: string): Promise<KnownRelease | Rejected> {
  const before = (await documents.releases.get(id))?.data;
  if (before?.state === 'publishing') {
    const { product, version } = before.content;
    await repository.publish();
    orThrow(await raise(documents, product, version, before.channel));
    await actOn(documents.releases, releaseMachine).carryOut(id, (at) => ({ type: 'finish-publication', at }));
  }
  const after = (await documents.releases.get(id))?.data;
  if (after?.state === 'withdrawn') {
    // Withdrawn while it was being published: what was signed meanwhile goes again.
    await repository.publish();
    return reject('refused', 'RELEASE_WITHDRAWN', 'the release was withdrawn while it was being published');
  }
  return known(after);
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
  { documents, repository }: Parts,
  product: string,
  version: string,
  reason: string,
): Promise<KnownRelease | Rejected> {
  const outcome = await actOn(documents.releases, releaseMachine).carryOut(releaseId(product, version), () => {
    return { type: 'withdraw', reason };
  });
  if (isRejected(outcome)) return outcome;
  await repository.publish();
  return known(outcome.state);
}

/** Contents of all releases that stand in the signed repository. */
async function signedReleases(documents: Documents, product?: string): Promise<readonly ReleaseContent[]> {
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
  return found.flatMap(({ data }) => (data.state === 'absent' ? [] : [data.content]));
}

/** Targets of each product, as the releases are now. */
export async function readTargets(documents: Documents): Promise<ReadonlyMap<string, readonly Target[]>> {
  const targets = new Map<string, Target[]>();
  for (const content of await signedReleases(documents)) {
    const { product } = content;
    targets.set(product, [...(targets.get(product) ?? []), ...targetsOfRelease(content)]);
  }
  return targets;
}

function targetsOfRelease(content: ReleaseContent): readonly Target[] {
  const { product, version } = content;
  const folder = `${product}/${version}`;
  return [
    {
      path: `${folder}/lastcall.yaml`,
      bytes: content.manifestBytes,
      sha256: content.manifestSha256,
      custom: { product, version },
    },
    ...content.artifacts.map(({ role, platform, treeBytes, treeSha256 }) => ({
      path: `${folder}/${role}-${platform}.tree.json`,
      bytes: treeBytes,
      sha256: treeSha256,
      custom: { product, version, role, platform },
    })),
  ];
}
