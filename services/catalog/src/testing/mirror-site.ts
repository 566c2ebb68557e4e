import { catalogV1 } from '@lastcall/contracts';
import { isRejected, orThrow, sha256Hex, type Rejected } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { openStore, type Store } from '@lastcall/store';
import { formatMirrorIndex, type CarriedRelease } from '@lastcall/trust';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openBlobs, type BlobStore } from '../blobs.js';
import { actOn } from '../decide.js';
import { openDocuments, releaseId, type Documents } from '../documents.js';
import type { ReleaseState } from '../domain/release.js';
import { createImporting, type Imported, type Importing } from '../importing.js';
import { productMachine, releaseMachine } from '../machines.js';
import { createPublishing, readReleases, type Publishing } from '../publishing.js';
import { readDraft } from '../releases.js';
import { mirroredOr, openMirror, type Mirror } from '../tuf/mirror.js';
import { openRepository, type Repository } from '../tuf/repository.js';

/* A catalog of its own, without its edges: the first one or its mirror. */

export interface MirrorSite {
  readonly documents: Documents;
  readonly blobs: BlobStore;
  readonly repository: Repository;
  readonly mirror: Mirror;
  readonly publishing: Publishing;
  readonly importing: Importing;
  /** Versions that were withdrawn by an import. */
  readonly withdrawn: string[];
  stateOf(version: string): Promise<ReleaseState['state']>;
  close(): Promise<void>;
}

/** `now`: the clock by which it signs. */
export async function openSite(dir: string, now?: () => number): Promise<MirrorSite> {
  const store: Store = await openStore({ url: '', file: join(dir, 'c.db'), service: 'catalog', database: 'catalog' });
  const documents = await openDocuments(store);
  const blobs = await openBlobs({ dir: join(dir, 'blobs') });
  const clock = async (): Promise<number> => now?.() ?? store.now();
  const own = await openRepository({
    dir: join(dir, 'tuf'),
    documents: documents.repository,
    releases: (scope) => readReleases(documents, scope),
    now: clock,
  });
  const mirror = await openMirror(join(dir, 'tuf', 'mirror'), documents.mirror);
  const repository = mirroredOr(own, mirror);
  await repository.keep();
  const publishing = createPublishing({ documents, blobs, repository });
  const withdrawn: string[] = [];
  const onWithdrawn = async (_: string, version: string): Promise<void> => void withdrawn.push(version);
  const parts = { documents, blobs, repository, mirror, publishing, onWithdrawn, log: createLogger('silent') };
  const importing = createImporting({ ...parts, now: clock });
  const stateOf = async (version: string): Promise<ReleaseState['state']> =>
    (await documents.releases.get(releaseId('encore', version)))?.data.state ?? 'absent';
  return { ...parts, importing, withdrawn, stateOf, close: () => store.close() };
}

/** Publishes Encore with one file of this text. */
export async function publishEncore(site: MirrorSite, version: string, text: string): Promise<void> {
  const { documents, blobs, publishing } = site;
  await actOn(documents.products, productMachine).carryOut('encore', (at) => ({ type: 'create', title: 'E', at }));
  const file = Buffer.from(text);
  const sha256 = await blobs.keep(file);
  const manifest = `product: encore\nversion: ${version}\ntitle: E\nartifacts: [{ role: server, directory: a }]\ncommands: {}\n`;
  const files = [{ path: 'server.js', mode: 0o644, sizeBytes: BigInt(file.length), sha256 }];
  const request = catalogV1.CreateReleaseRequest.fromPartial({
    parent: 'products/encore',
    manifest: Buffer.from(manifest),
    artifacts: [{ role: 1, platform: 'any', files }],
  });
  const { content } = orThrow(await readDraft(blobs, 'encore', request));
  const id = releaseId('encore', version);
  await actOn(documents.releases, releaseMachine).carryOut(id, (at) => ({ type: 'draft', content, at }));
  const published = await publishing.publish('encore', version, 'stable');
  if (isRejected(published)) throw new Error(published.message);
}

/** What was carried: metadata by name, blobs by hash. */
export interface Carried {
  readonly metadata: Map<string, string>;
  readonly blobs: Map<string, Buffer>;
  releases: readonly CarriedRelease[];
}

/** Everything that the catalog serves now. */
export async function carry(site: MirrorSite, dir: string, ...versions: readonly string[]): Promise<Carried> {
  const metadata = new Map<string, string>();
  const take = async (name: string): Promise<string> => {
    const text = (await site.repository.metadata(name))?.toString() ?? '';
    if (text !== '') metadata.set(name, text);
    return text;
  };
  const metaOf = (text: string): Record<string, { version: number }> =>
    (JSON.parse(text) as { signed: { meta: Record<string, { version: number }> } }).signed.meta;
  const { version } = metaOf(await take('timestamp.json'))['snapshot.json'] ?? {};
  const snapshot = metaOf(await take(`${version}.snapshot.json`));
  for (const [file, role] of Object.entries(snapshot)) await take(`${role.version}.${file}`);
  for (let root = 1; (await take(`${root}.root.json`)) !== ''; root++);
  const blobs = new Map<string, Buffer>();
  for (const folder of (await readdir(join(dir, 'blobs'))).filter((name) => name.length === 2)) {
    for (const name of await readdir(join(dir, 'blobs', folder))) {
      blobs.set(name, await readFile(join(dir, 'blobs', folder, name)));
    }
  }
  return { metadata, blobs, releases: versions.map((v) => ({ product: 'encore', version: v })) };
}

export function fingerprint({ metadata }: Carried, version = 1): string {
  return sha256Hex(metadata.get(`${version}.root.json`) ?? '');
}

/** Uploads what is asked for, as the command line does, until nothing is asked for any more. */
export async function importInto(
  site: MirrorSite,
  carried: Carried,
  root = '',
  channel = 'stable',
): Promise<Imported | Rejected> {
  const blob = await site.blobs.keep(formatMirrorIndex(carried));
  for (;;) {
    const checked = await site.importing.check({ blob, root, channel }, true);
    const done = isRejected(checked) ? checked : await checked.perform();
    if (isRejected(done) || done.missing.length === 0) return done;
    for (const sha256 of done.missing) {
      const bytes = carried.blobs.get(sha256);
      if (!bytes) throw new Error(`${sha256} was not carried`);
      const stored = await site.blobs.put(sha256, one(bytes));
      if (isRejected(stored)) return stored;
    }
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
