import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createManualClock, sha256Hex, type ManualClock } from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { Updater } from 'tuf-js';
import { openDocuments } from '../documents.js';
import type { SignedRelease } from '../tuf/desired.js';
import type { RepositoryOptions } from '../tuf/opened.js';
import { openRepository, type Repository } from '../tuf/repository.js';

/*
 * A signed repository on a real store and a real folder, served over HTTP as the catalog's edge does, with clients that are not ours.
 */

export interface ServedRepository {
  readonly dir: string;
  readonly store: Store;
  /** Begins at the present: tuf-js compares with that. */
  readonly clock: ManualClock;
  /** What the documents say, by product. */
  readonly releases: Map<string, SignedRelease[]>;
  /** Releases of a product that stand in the documents from now on. */
  add(product: string, version: string): void;
  open(more?: Partial<RepositoryOptions>): Promise<Repository>;
  /** Pins the root that is the newest now. Answers the text of a target by its path; undefined when it is not signed. */
  client(): Promise<(path: string) => Promise<string | undefined>>;
  close(): Promise<void>;
}

export const treePath = (product: string, version: string): string => `${product}/${version}/server-any.tree.json`;
export const treeText = (product: string, version: string): string => `{"files":[],"of":"${product} ${version}"}`;

/** A release of 2026 with one tree. */
export function signedRelease(product: string, version: string): SignedRelease {
  const text = treeText(product, version);
  const target = { path: treePath(product, version), bytes: text.length, sha256: sha256Hex(text) };
  return { version, year: 2026, targets: [target] };
}

/** `served` is asked at each request which repository answers it. */
export async function serveRepository(served: () => Repository): Promise<ServedRepository> {
  const dir = await mkdtemp(join(tmpdir(), 'tuf-'));
  const store = await openStore({ url: '', file: join(dir, 'catalog.db'), service: 'catalog', database: 'catalog' });
  const clock = createManualClock(Date.now());
  const releases = new Map<string, SignedRelease[]>();
  const server = createServer((request, response) => {
    void answer(served(), (request.url ?? '').slice(1)).then((bytes) =>
      response.writeHead(bytes ? 200 : 404).end(bytes),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    dir,
    store,
    clock,
    releases,
    add: (product, version) => {
      releases.set(product, [...(releases.get(product) ?? []), signedRelease(product, version)]);
    },
    open: async (more = {}) =>
      openRepository({
        dir: join(dir, 'tuf'),
        documents: (await openDocuments(store)).repository,
        releases: async () => structuredClone(releases),
        now: async () => clock.now(),
        ...more,
      }),
    client: async () => openClient(await mkdtemp(join(dir, 'client-')), url, await served().metadata('root.json')),
    close: async () => {
      await new Promise((resolve) => server.close(resolve));
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function answer(served: Repository, path: string): Promise<Buffer | undefined> {
  if (!path.startsWith('targets/')) return served.metadata(path);
  const [product = '', version = '', name = ''] = path.slice('targets/'.length).split('/');
  const [sha256, ...file] = name.split('.');
  const signed = await served.target(`${product}/${version}/${file.join('.')}`);
  return signed === sha256 ? Buffer.from(treeText(product, version)) : undefined;
}

async function openClient(
  home: string,
  url: string,
  root: Buffer | undefined,
): Promise<(path: string) => Promise<string | undefined>> {
  await writeFile(join(home, 'root.json'), root ?? '');
  await mkdir(join(home, 'targets'));
  return async (path) => {
    const updater = new Updater({
      metadataDir: home,
      metadataBaseUrl: url,
      targetDir: join(home, 'targets'),
      targetBaseUrl: `${url}/targets`,
      config: { fetchRetries: 0 },
    });
    const info = await updater.getTargetInfo(path);
    return info && readFile(await updater.downloadTarget(info), 'utf8');
  };
}
