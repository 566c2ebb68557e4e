import { catalogV1, formatName, formatTree, hostRole } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import type { Services } from '../connect.js';
import { bytes, count } from '../render/text.js';
import type { Progress } from '../render/progress.js';
import type { FolderArtifact, ReleaseFolder } from './read-release-folder.js';
import { uploadBlobs, type Blob } from './upload-blobs.js';

/* From a checked folder to a signed release: draft, blobs, publication. Each step can be repeated; nothing is sent twice. */

/** A message has at most 1 MiB; the manifest and the frame want room too. */
const MAX_INLINE_BYTES = 700_000;
/** Signing hashes every blob again. */
const PUBLISH_TIMEOUT_MS = 10 * 60_000;

export async function publishRelease(
  services: Services,
  folder: ReleaseFolder,
  channel: string,
  progress: Progress,
): Promise<catalogV1.Release> {
  const name = await uploadRelease(services, folder, progress);
  progress.say(`signing ${folder.manifest.product} ${folder.manifest.version}`);
  const published = await services.catalog.publishRelease({ name, channel }, { timeoutMs: PUBLISH_TIMEOUT_MS });
  return published.release ?? catalogV1.Release.fromPartial({ name });
}

/** A draft with all of its blobs; answers its name. */
export async function uploadRelease(services: Services, folder: ReleaseFolder, progress: Progress): Promise<string> {
  const { product, version, title } = folder.manifest;
  await ensureProduct(services, product, title);
  const request = await draftRequest(services, folder, progress);
  await uploadMissing(services, folder, request, progress);
  return formatName('release', { product, version });
}

async function ensureProduct({ catalog }: Services, product: string, title: string): Promise<void> {
  const ignore = (code: number) => (error: unknown) => {
    if (!(error instanceof CallError) || error.code !== code) throw error;
  };
  const found = await catalog.getProduct({ name: formatName('product', { product }) }).catch(ignore(CODE.notFound));
  if (found) return;
  const request = catalogV1.CreateProductRequest.fromPartial({ productId: product, product: { title } });
  // Somebody else may publish the first release of it at the same moment.
  await catalog.createProduct(request).catch(ignore(CODE.alreadyExists));
}

async function draftRequest(
  services: Services,
  { manifest, manifestBytes, artifacts }: ReleaseFolder,
  progress: Progress,
): Promise<catalogV1.CreateReleaseRequest> {
  const parent = formatName('product', { product: manifest.product });
  const inline = catalogV1.CreateReleaseRequest.fromPartial({
    parent,
    manifest: manifestBytes,
    artifacts: artifacts.map(toWire),
  });
  if (catalogV1.CreateReleaseRequest.encode(inline).finish().byteLength <= MAX_INLINE_BYTES) return inline;
  const trees = artifacts.map(({ tree }) => Buffer.from(formatTree(tree)));
  const blobs = trees.map((source) => ({ sha256: sha256Hex(source), size: source.byteLength, source }));
  progress.say(`uploading ${count(trees.length, 'list')} of files`);
  await uploadBlobs(services.connection, blobs, () => {});
  const treeBlobs = blobs.map((blob) => blob.sha256);
  return catalogV1.CreateReleaseRequest.fromPartial({ parent, manifest: manifestBytes, treeBlobs });
}

function toWire({ role, platform, tree }: FolderArtifact): catalogV1.Artifact {
  const files = tree.files.map(({ path, mode, size, sha256 }) => ({ path, mode, sizeBytes: BigInt(size), sha256 }));
  return { role: hostRole.toWire(role), platform, files };
}

/** The catalog names missing blobs in portions; when it names the same ones again, they do not arrive. */
async function uploadMissing(
  { catalog, connection }: Services,
  folder: ReleaseFolder,
  request: catalogV1.CreateReleaseRequest,
  progress: Progress,
): Promise<void> {
  const known = blobsOf(folder);
  const uploaded = new Set<string>();
  for (;;) {
    const { missingBlobs } = await catalog.createRelease(request, { timeoutMs: PUBLISH_TIMEOUT_MS });
    const blobs = missingBlobs.map((sha256) => known.get(sha256)).filter((blob) => blob !== undefined);
    if (missingBlobs.length === 0) return;
    if (blobs.length < missingBlobs.length || blobs.every((blob) => uploaded.has(blob.sha256))) {
      throw new CallError(CODE.internal, 'the catalog asks for blobs again that it was sent; look into its log');
    }
    const total = blobs.reduce((sum, blob) => sum + blob.size, 0);
    const bar = progress.bar(`uploading ${count(blobs.length, 'file')}`, total, bytes);
    await uploadBlobs(connection, blobs, (sent) => bar.add(sent));
    bar.done();
    blobs.forEach((blob) => uploaded.add(blob.sha256));
  }
}

function blobsOf({ artifacts }: ReleaseFolder): ReadonlyMap<string, Blob> {
  const blobs = new Map<string, Blob>();
  for (const { tree, sources } of artifacts) {
    for (const { sha256, size } of tree.files) {
      const source = sources.get(sha256);
      if (source !== undefined) blobs.set(sha256, { sha256, size, source });
    }
  }
  return blobs;
}
