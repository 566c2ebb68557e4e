import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRejected, orThrow } from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { formatSigningRequest, keyFromPem, newPrivateKeyPem, signRequest } from '@lastcall/trust';
import { openBlobs, type BlobStore } from './blobs.js';
import { actOn } from './decide.js';
import { openDocuments, releaseId, type Documents } from './documents.js';
import { sampleContent } from './testing/sample-content.js';
import { productMachine, releaseMachine } from './machines.js';
import { createPublishing, readReleases, type Publishing } from './publishing.js';
import { publishedReleases } from './rpc/published-releases.js';
import { createSigning, type PrepareWish } from './signing.js';
import { openRepository, type Repository } from './tuf/repository.js';
import { readRequest } from './tuf/signing.js';

/*
 * A process that died between any two steps of a publication: the steps up to there are carried out, then everything is opened
 * anew on what is on disk and in the store, as a start does, and the keeper runs.
 */

const VERSION = '1.0.0';
const ID = releaseId('encore', VERSION);
const content = sampleContent('encore', VERSION);

interface Opened {
  readonly store: Store;
  readonly documents: Documents;
  readonly blobs: BlobStore;
  readonly repository: Repository;
  readonly publishing: Publishing;
}

let dir: string;
let now: Opened;

async function open(): Promise<Opened> {
  const store = await openStore({ url: '', file: join(dir, 'catalog.db'), service: 'catalog', database: 'catalog' });
  const documents = await openDocuments(store);
  const blobs = await openBlobs({ dir: join(dir, 'blobs') });
  const repository = await openRepository({
    dir: join(dir, 'tuf'),
    documents: documents.repository,
    releases: (scope) => readReleases(documents, scope),
    now: () => store.now(),
  });
  return { store, documents, blobs, repository, publishing: createPublishing({ documents, blobs, repository }) };
}

async function restart(): Promise<void> {
  await now.store.close();
  now = await open();
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'crash-'));
  now = await open();
  await now.repository.publish();
  const { documents } = now;
  await actOn(documents.products, productMachine).carryOut('encore', (at) => ({ type: 'create', title: 'E', at }));
  await actOn(documents.releases, releaseMachine).carryOut(ID, (at) => ({ type: 'draft', content, at }));
});
afterEach(async () => {
  await now.store.close();
  await rm(dir, { recursive: true, force: true });
});

/** The steps of a publication, one by one. */
const STEPS: readonly (readonly [string, () => Promise<unknown>])[] = [
  [
    'begun',
    () =>
      actOn(now.documents.releases, releaseMachine).carryOut(ID, () => {
        return { type: 'begin-publication', content, channel: 'stable' };
      }),
  ],
  ['signed', () => now.repository.publish()],
  [
    'head raised',
    () =>
      actOn(now.documents.products, productMachine).carryOut('encore', () => {
        return { type: 'raise-channel', channel: 'stable', version: VERSION };
      }),
  ],
  [
    'published',
    () => actOn(now.documents.releases, releaseMachine).carryOut(ID, (at) => ({ type: 'finish-publication', at })),
  ],
];

const offered = async (): Promise<readonly string[]> =>
  (await publishedReleases(now.documents, 'encore')).map((release) => release.version);
const signed = async (): Promise<boolean> =>
  (await now.repository.target(`encore/${VERSION}/lastcall.yaml`)) !== undefined;
const head = async (): Promise<string | undefined> => {
  const product = (await now.documents.products.get('encore'))?.data;
  return product?.state === 'present' ? product.channels['stable']?.version : undefined;
};

describe.each(STEPS.map(([name], i) => [name, i + 1] as const))('a crash after "%s"', (_, count) => {
  beforeEach(async () => {
    for (const [, step] of STEPS.slice(0, count)) await step();
    // Never offered without being signed and in its channel.
    expect((await offered()).length === 0 || ((await signed()) && (await head()) === VERSION)).toBe(true);
    await restart();
  });

  it('is finished by the keeper', async () => {
    const next = await now.publishing.keeper.runOnce(new AbortController().signal);
    expect(next).toBeGreaterThan(await now.store.now());
    expect([await offered(), await signed(), await head()]).toEqual([[VERSION], true, VERSION]);
  });

  it('is finished by the same call again', async () => {
    // The blobs of a publication that has begun were checked by whoever began it.
    const release = await now.publishing.publish('encore', VERSION, 'stable');
    expect(release).toMatchObject({ state: 'published', channels: ['stable'] });
    expect([await offered(), await signed(), await head()]).toEqual([[VERSION], true, VERSION]);
  });

  it('ends withdrawn when that came in between', async () => {
    await actOn(now.documents.releases, releaseMachine).carryOut(ID, () => ({ type: 'withdraw', reason: 'broken' }));
    await restart();
    await now.publishing.keeper.runOnce(new AbortController().signal);
    expect([await offered(), await signed()]).toEqual([[], false]);
    expect(isRejected(await now.publishing.publish('encore', VERSION, 'stable'))).toBe(true);
    expect([await offered(), await signed()]).toEqual([[], false]);
  });
});

describe('a crash of a publication that people have signed', () => {
  it('leaves a draft to everybody, which the keeper does not publish and the same signed file does', async () => {
    const people = [keyFromPem(newPrivateKeyPem()), keyFromPem(newPrivateKeyPem())];
    const set = { keys: people.map((key) => key.publicKey), threshold: 2 };
    const keys = { root: set, targets: set, releases: set, newOnlineKeys: false };
    const parts = () => ({ ...now, signing: createSigning(now) });
    const sign = async (wish: PrepareWish): Promise<string> => {
      const { blob } = orThrow(await parts().signing.prepare(wish));
      const request = orThrow(readRequest((await now.blobs.read(blob)) ?? Buffer.alloc(0)));
      return now.blobs.keep(formatSigningRequest(signRequest(request, people)));
    };
    orThrow(await orThrow(await parts().signing.check(await sign({ keys, renew: false }), true)).perform());

    const blob = await sign({ release: { product: 'encore', version: VERSION, channel: 'stable' }, renew: false });
    await STEPS[0]?.[1]();
    await restart();
    await now.publishing.keeper.runOnce(new AbortController().signal);
    expect([await offered(), await signed(), await head()]).toEqual([[], false, '']);
    expect(await now.publishing.publish('encore', VERSION, 'stable')).toMatchObject({ reason: 'SIGNATURES_NEEDED' });

    expect(await orThrow(await parts().signing.check(blob, false)).perform()).toMatchObject({
      release: { state: 'published' },
    });
    expect([await offered(), await signed(), await head()]).toEqual([[VERSION], true, VERSION]);
  });
});
