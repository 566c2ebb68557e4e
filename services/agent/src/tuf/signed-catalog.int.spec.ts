import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withSignedCatalog, type SignedCatalog } from '@lastcall/trust/client';
import { PRODUCT, publishTwice, SEEN, WANTED } from '../testing/attacks.js';
import { startRepository, type Json, type TestRepository } from '../testing/tuf-repository.js';
import { createMetadataFetcher } from './metadata-fetcher.js';
import { openTrustedState } from './trusted-state.js';

/*
 * What a host can ask of a signed catalog, beside the two texts of a release.
 */

let repository: TestRepository;
let dir: string;
beforeEach(async () => {
  repository = await startRepository(PRODUCT);
  publishTwice(repository);
  dir = mkdtempSync(join(tmpdir(), 'lastcall-catalog-'));
  openTrustedState(dir).pin(repository.root);
});
afterEach(async () => {
  await repository.close();
  rmSync(dir, { recursive: true, force: true });
});

function look<T>(work: (catalog: SignedCatalog) => Promise<T>): Promise<T> {
  const http = { credential: () => 'eyJ', signal: AbortSignal.timeout(30_000), attempts: 1 };
  const fetcher = (path: string) => createMetadataFetcher({ ...http, baseUrl: `${repository.url}${path}` });
  const parts = { state: openTrustedState(dir), metadata: fetcher('/tuf'), targets: fetcher('/tuf/targets') };
  return withSignedCatalog(parts, work);
}

describe('a signed catalog', () => {
  const texts = (version: string) =>
    ['lastcall.yaml', 'server-any.tree.json'].map((name) => `${PRODUCT}/${version}/${name}`);

  it('lists what is signed of a product, with what the signer says besides', async () => {
    const path = `${PRODUCT}/${WANTED}/lastcall.yaml`;
    const edit = (body: Json) =>
      Object.assign((body['targets'] as Record<string, Json>)[path] as Json, { custom: { by: 'us' } });
    repository.sign({ edit: { releases: edit } });
    const found = await look((catalog) => catalog.list(PRODUCT));
    expect(found.map((target) => target.path).sort()).toEqual([...texts(SEEN), ...texts(WANTED)].sort());
    expect(found.find((target) => target.path === path)?.custom).toEqual({ by: 'us' });
    expect(await look((catalog) => catalog.list('overture'))).toEqual([]);
  });

  it('does not list what its signer may not speak of', async () => {
    const roles = (body: Json) => (body['delegations'] as { roles: Json[] }).roles[0] as Json;
    repository.sign({ edit: { targets: (body) => (roles(body)['paths'] = [`${PRODUCT}/${SEEN}/*`]) } });
    const found = await look((catalog) => catalog.list(PRODUCT));
    expect(found.map((target) => target.path).sort()).toEqual(texts(SEEN).sort());
  });

  it('believes a role by the word of one delegator only', async () => {
    let top: unknown;
    repository.sign({ edit: { targets: (body) => (top = body['delegations']) } });
    // The role of the product delegates to itself, with the keys that the top role names too.
    repository.sign({ edit: { releases: (body) => (body['delegations'] = top) } });
    await expect(look((catalog) => catalog.find(`${PRODUCT}/9.9.9/lastcall.yaml`))).rejects.toMatchObject({
      rejected: { reason: 'METADATA_MALFORMED', message: expect.stringContaining('a role has one delegator') },
    });
  });

  it('asks for nothing twice, neither in one look nor in the next', async () => {
    await look((catalog) => catalog.list(PRODUCT));
    expect(new Set(repository.requests).size).toBe(repository.requests.length);
    repository.requests.length = 0;
    await look((catalog) => catalog.list(PRODUCT));
    expect(repository.requests).toEqual(['/tuf/2.root.json', '/tuf/timestamp.json']);
  });
});
