import { catalogV1, checkVersion } from '@lastcall/contracts';
import { parseManifest } from '@lastcall/contracts/manifest';
import { checkId, isRejected, reject, RejectedError, type Rejected } from '@lastcall/kernel';
import { rootsOf, type CarriedRelease, type MirrorIndex } from '@lastcall/trust';
import {
  refused,
  withSignedCatalog,
  type FetchFile,
  type SignedCatalog,
  type TargetMeta,
  type TrustedTexts,
} from '@lastcall/trust/client';
import type { BlobStore } from './blobs.js';
import { releaseId, type Documents } from './documents.js';
import type { ReleaseContent } from './domain/release.js';
import { readReleases } from './publishing.js';
import { missingBlobs, readDraft } from './releases.js';
import type { Verified } from './tuf/mirror.js';
import { parseMetadata } from './tuf/roots.js';

/*
 * Whether what was carried here may be served: the walk of a host through the signed metadata, then every text and every file of every release. Reads
 * only. What is not signed is not looked at further; what does not fit is refused as a whole.
 */

export interface VerifiedImport extends Verified {
  /** Releases that are not published here yet, with everything that they need. */
  readonly releases: readonly ReleaseContent[];
  /** Blobs that are lacking; then `releases` is not complete. */
  readonly missing: readonly string[];
  /** Releases that stand here and are signed no more. */
  readonly gone: readonly CarriedRelease[];
}

export interface VerifyParts {
  readonly documents: Documents;
  readonly blobs: BlobStore;
}

/** `trusted`: what is believed so far, the pinned root at the first import. Throws a TrustRefusal. */
export async function verifyImport(
  parts: VerifyParts,
  index: MirrorIndex,
  trusted: TrustedTexts,
): Promise<VerifiedImport | Rejected> {
  let texts = trusted;
  const walk = {
    state: { load: () => trusted, save: (next: TrustedTexts) => void (texts = next) },
    metadata: fromIndex(index),
    targets: fromBlobs(parts.blobs),
  };
  const found = await withSignedCatalog(walk, async (catalog) => {
    const gone = await findGone(parts, catalog);
    const carried = await readCarried(parts, catalog, index.releases);
    return isRejected(carried) ? carried : { gone, ...carried };
  });
  return isRejected(found) ? found : { ...found, texts, roots: newRoots(index, trusted, texts) };
}

function fromIndex({ metadata }: MirrorIndex): FetchFile {
  return async (path, maxBytes) => {
    const text = metadata.get(path);
    if (text === undefined) return undefined;
    const bytes = Buffer.from(text);
    if (bytes.byteLength <= maxBytes) return bytes;
    throw refused('METADATA_TOO_LONG', path, `it is longer than the ${maxBytes} bytes that it may have`);
  };
}

/** `{product}/{version}/{sha256}.{file}` */
function fromBlobs(blobs: BlobStore): FetchFile {
  return async (path, maxBytes) => {
    const sha256 = /\/([0-9a-f]{64})\.[^/]+$/.exec(path)?.[1] ?? '';
    const size = await blobs.sizeOf(sha256);
    return size === undefined || size > maxBytes ? undefined : blobs.read(sha256);
  };
}

const versionOf = (texts: TrustedTexts): number => parseMetadata(texts.get('root') ?? '').signed.version;

/** They were followed one by one; the one that was there before comes along, because at the first import it is not on the disk yet. */
function newRoots(index: MirrorIndex, before: TrustedTexts, after: TrustedTexts): ReadonlyMap<number, string> {
  const [from, to] = [versionOf(before), versionOf(after)];
  const followed = rootsOf(index).filter(({ version }) => version > from && version <= to);
  return new Map([[from, before.get('root')?.toString() ?? ''], ...followed.map((r) => [r.version, r.text] as const)]);
}

const manifestPath = ({ product, version }: CarriedRelease): string => `${product}/${version}/lastcall.yaml`;

/** Asked for each of them: so every role that hosts need for what stands here has to come along too. */
async function findGone({ documents }: VerifyParts, catalog: SignedCatalog): Promise<CarriedRelease[]> {
  const gone: CarriedRelease[] = [];
  for (const [product, releases] of await readReleases(documents, 'all')) {
    for (const { version } of releases) {
      if (!(await catalog.find(manifestPath({ product, version })))) gone.push({ product, version });
    }
  }
  return gone;
}

async function readCarried(
  parts: VerifyParts,
  catalog: SignedCatalog,
  carried: readonly CarriedRelease[],
): Promise<Pick<VerifiedImport, 'releases' | 'missing'> | Rejected> {
  const releases: ReleaseContent[] = [];
  const missing = new Set<string>();
  for (const release of carried) {
    const wrong = checkId('product', release.product) ?? checkVersion('version', release.version);
    const manifest = wrong ? undefined : await catalog.find(manifestPath(release));
    // Withdrawn at the first catalog, and its files are still in the folder.
    if (!manifest || (await isKnown(parts, release))) continue;
    const read = await readRelease(parts, catalog, release, manifest);
    if (isRejected(read)) return read;
    for (const sha256 of read.missing) missing.add(sha256);
    if (read.content) releases.push(read.content);
  }
  return { releases, missing: [...missing] };
}

/** It was verified when it came, and never changes; what was withdrawn here stays withdrawn. */
async function isKnown({ documents }: VerifyParts, { product, version }: CarriedRelease): Promise<boolean> {
  const state = (await documents.releases.get(releaseId(product, version)))?.data.state;
  return state === 'published' || state === 'withdrawn';
}

interface ReadRelease {
  readonly content?: ReleaseContent;
  readonly missing: readonly string[];
}

async function readRelease(
  { blobs }: VerifyParts,
  catalog: SignedCatalog,
  release: CarriedRelease,
  manifest: TargetMeta,
): Promise<ReadRelease | Rejected> {
  const { product, version } = release;
  const lacking = async (target: TargetMeta): Promise<boolean> => (await blobs.sizeOf(hashOf(target))) === undefined;
  if (await lacking(manifest)) return { missing: [hashOf(manifest)] };
  const text = await catalog.fetch(manifest);
  const trees = await treesOf(catalog, release, text);
  if (isRejected(trees)) return trees;
  const missing: string[] = [];
  for (const tree of trees) if (await lacking(tree)) missing.push(hashOf(tree));
  if (missing.length > 0) return { missing };
  for (const tree of trees) await catalog.fetch(tree);
  const request = { parent: `products/${product}`, manifest: text, treeBlobs: trees.map(hashOf) };
  const draft = await readDraft(blobs, product, catalogV1.CreateReleaseRequest.fromPartial(request));
  if (isRejected(draft)) return unusable(release, draft.message);
  const { content, files } = draft;
  const signed = new Set(trees.map(hashOf));
  if (content.version !== version || !content.artifacts.every(({ treeSha256 }) => signed.has(treeSha256))) {
    return unusable(release, 'its texts are not those of this release, or were written by another version of Lastcall');
  }
  const lackingFiles = await missingBlobs(blobs, files);
  return isRejected(lackingFiles) ? unusable(release, lackingFiles.message) : { content, missing: lackingFiles };
}

function hashOf({ path, hashes }: TargetMeta): string {
  const { sha256 } = hashes;
  if (sha256 !== undefined) return sha256;
  throw new RejectedError(reject('refused', 'METADATA_MALFORMED', `${path} is signed without a SHA-256`));
}

/** In the order of the manifest. */
async function treesOf(
  catalog: SignedCatalog,
  release: CarriedRelease,
  manifest: Buffer,
): Promise<readonly TargetMeta[] | Rejected> {
  const parsed = parseManifest(manifest.toString('utf8'));
  if (!parsed.ok) return unusable(release, 'its manifest is not one that this version of Lastcall can read');
  const trees: TargetMeta[] = [];
  for (const { role, platform } of parsed.manifest.artifacts) {
    const tree = await catalog.find(`${release.product}/${release.version}/${role}-${platform}.tree.json`);
    if (!tree) return unusable(release, `the files for ${role} on ${platform} are not signed`);
    trees.push(tree);
  }
  return trees;
}

function unusable({ product, version }: CarriedRelease, why: string): Rejected {
  const message = `${product} ${version} cannot be used: ${why}. Nothing was changed`;
  return reject('refused', 'RELEASE_NOT_USABLE', message, { facts: { product, version } });
}
