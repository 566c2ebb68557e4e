import { catalogV1, hostRole, parseTree, type Tree } from '@lastcall/contracts';
import { checkId, checkText, isRejected, LIMITS, reject, type Rejected } from '@lastcall/kernel';
import { type RpcHandlers, readPage } from '@lastcall/runtime';
import type { BlobStore } from '../blobs.js';
import { actOn } from '../decide.js';
import { releaseId, type Documents } from '../documents.js';
import type { KnownRelease, ReleaseContent } from '../domain/release.js';
import { releaseMachine } from '../machines.js';
import type { Publishing } from '../publishing.js';
import { missingBlobs, readDraft } from '../releases.js';
import { parsePage, Wrong } from '../requests.js';
import type { Waves } from '../waves.js';
import { isMirror, RELEASES_COME, type Mirror } from '../tuf/mirror.js';
import { releaseToWire, stateToDomain } from '../wire.js';

type Handlers = RpcHandlers<typeof catalogV1.CatalogServiceService>;

/** A message has at most 1 MiB; each hash takes 66 bytes. The caller uploads these and asks again. */
const MAX_MISSING = 10_000;
/** A response with more than this in its trees would not fit. */
const MAX_ANSWER_BYTES = 1_000_000;

export interface ReleaseParts {
  readonly documents: Documents;
  readonly blobs: BlobStore;
  readonly publishing: Publishing;
  readonly waves: Waves;
  readonly mirror: Mirror;
}

type Names = 'createRelease' | 'publishRelease' | 'withdrawRelease' | 'getRelease' | 'listReleases';

export function releaseHandlers(parts: ReleaseParts): Pick<Handlers, Names> {
  const { documents, publishing } = parts;
  return {
    createRelease: (request) => createRelease(parts, request),
    publishRelease: async (request) => {
      const wrong = new Wrong();
      const { product, version } = wrong.name('release', 'name', request.name);
      const channel = request.channel === '' ? 'stable' : request.channel;
      wrong.add(checkId('channel', channel));
      const release = wrong.rejected() ?? (await publishing.publish(product, version, channel));
      return isRejected(release) ? release : { release: releaseToWire(release) };
    },
    withdrawRelease: async (request) => {
      const wrong = new Wrong();
      const { product, version } = wrong.name('release', 'name', request.name);
      wrong.add(checkText('reason', request.reason, { min: 1, max: LIMITS.textChars }));
      const withdrawn = wrong.rejected() ?? (await publishing.withdraw(product, version, request.reason));
      if (isRejected(withdrawn)) return withdrawn;
      await parts.waves.lookAtRelease(product, version);
      return { release: releaseToWire(withdrawn.release), stillListed: withdrawn.stillListed };
    },
    getRelease: async (request) => {
      const wrong = new Wrong();
      const { product, version } = wrong.name('release', 'name', request.name);
      const release = wrong.rejected() ?? (await findRelease(documents, product, version));
      return isRejected(release) ? release : { release: await releaseWithFiles(parts.blobs, release) };
    },
    listReleases: (request) => listReleases(documents, request),
  };
}

async function createRelease(
  { documents, blobs, mirror }: ReleaseParts,
  request: catalogV1.CreateReleaseRequest,
): Promise<catalogV1.CreateReleaseResponse | Rejected> {
  const wrong = new Wrong();
  const { product } = wrong.name('product', 'parent', request.parent);
  if (request.artifacts.length > 0 && request.treeBlobs.length > 0) {
    wrong.add({ field: 'tree_blobs', description: 'replace artifacts; give one of the two' });
  }
  const rejected = wrong.rejected();
  if (rejected) return rejected;
  if (await mirror.read()) return isMirror(RELEASES_COME);
  if (!(await documents.products.get(product))) return unknownProduct(product);
  const draft = await readDraft(blobs, product, request);
  if (isRejected(draft)) return draft;
  const missing = await missingBlobs(blobs, draft.files);
  if (isRejected(missing)) return missing;
  const { content } = draft;
  const outcome = await actOn(documents.releases, releaseMachine).carryOut(
    releaseId(product, content.version),
    (at) => {
      return { type: 'draft', content, at };
    },
  );
  if (isRejected(outcome)) return outcome;
  const release = outcome.state.state === 'absent' ? undefined : releaseToWire(outcome.state);
  return { release, missingBlobs: missing.slice(0, MAX_MISSING) };
}

function unknownProduct(product: string): Rejected {
  return reject('not-found', 'PRODUCT_NOT_FOUND', `there is no product ${product}; create it first`);
}

export async function findRelease(
  documents: Documents,
  product: string,
  version: string,
): Promise<KnownRelease | Rejected> {
  const release = (await documents.releases.get(releaseId(product, version)))?.data;
  if (release && release.state !== 'absent') return release;
  return reject('not-found', 'RELEASE_NOT_FOUND', `there is no release ${version} of ${product}`);
}

/** With its manifest, and with the files of its trees when they fit into one message. */
async function releaseWithFiles(blobs: BlobStore, release: KnownRelease): Promise<catalogV1.Release> {
  const wire = releaseToWire(release);
  wire.manifest = (await blobs.read(release.content.manifestSha256)) ?? Buffer.alloc(0);
  const artifacts = await readFiles(blobs, release.content);
  const whole = { ...wire, artifacts };
  return catalogV1.Release.encode(whole).finish().byteLength <= MAX_ANSWER_BYTES ? whole : wire;
}

async function readFiles(blobs: BlobStore, content: ReleaseContent): Promise<catalogV1.Artifact[]> {
  // The JSON form of a tree is larger than its message by less than half.
  const isHopeless = content.artifacts.reduce((sum, { treeBytes }) => sum + treeBytes, 0) > 4 * MAX_ANSWER_BYTES;
  return Promise.all(
    content.artifacts.map(async ({ role, platform, treeSha256 }) => {
      const tree = isHopeless ? undefined : parseTree((await blobs.read(treeSha256)) ?? '');
      const files = tree && !isRejected(tree) ? filesToWire(tree) : [];
      return { role: hostRole.toWire(role), platform, files };
    }),
  );
}

function filesToWire(tree: Tree): catalogV1.TreeFile[] {
  return tree.files.map(({ path, mode, size, sha256 }) => ({ path, mode, sizeBytes: BigInt(size), sha256 }));
}

async function listReleases(
  documents: Documents,
  request: catalogV1.ListReleasesRequest,
): Promise<catalogV1.ListReleasesResponse | Rejected> {
  const wrong = new Wrong();
  const { product } = wrong.name('product', 'parent', request.parent);
  const page = parsePage(wrong, request);
  const states = request.states.flatMap(stateToDomain);
  if (states.length < request.states.length) {
    wrong.add({ field: 'states', description: 'has a value that is no state of a release; leave it empty for all' });
  }
  const rejected = wrong.rejected();
  if (rejected) return rejected;
  if (!(await documents.products.get(product))) return unknownProduct(product);
  const isWanted = (release: KnownRelease): boolean => states.length === 0 || states.includes(release.state);
  const query = { index: 'newest', where: { product }, order: 'descending' } as const;
  const found = await readPage(documents.releases, query, page, ({ data }) => {
    return data.state !== 'absent' && isWanted(data) ? releaseToWire(data) : undefined;
  });
  return isRejected(found) ? found : { releases: found.items, nextPageToken: found.nextPageToken };
}
