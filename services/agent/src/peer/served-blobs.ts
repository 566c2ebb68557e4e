import type { TreeEntry } from '@lastcall/contracts';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openBlobStore, type BlobStore } from '../blobs/blob-store.js';
import { downloadBlobs } from '../blobs/download-blobs.js';
import type { RateLimit } from '../blobs/rate-limit.js';
import type { HostTls } from '../host-tls.js';
import type { Layout } from '../layout.js';
import { demandFreeBytes, type FreeBytes } from '../step-failure.js';
import { openShelf, type Shelf } from './shelf.js';

/*
 * What this host gives to others: what it has itself, and what it fetches for them from the catalog, once for all who ask meanwhile. Fetched blobs lie in a
 * store of their own, so that they have a budget of their own and staging never meets them half there; those that were not asked for longest go.
 */

export interface ServedBlobs {
  /** Fetches those that are neither here nor on their way. Throws DISK_FULL when they have no room. */
  want(entries: readonly TreeEntry[], tree: WantedTree): Promise<void>;
  /** Where the blob is, or how far it is; after `want`. */
  find(entry: TreeEntry): Promise<Found>;
  close(): Promise<void>;
}

export interface WantedTree {
  readonly sha256: string;
  readonly files: readonly TreeEntry[];
}

export type Found =
  | { readonly kind: 'here'; readonly path: string }
  | { readonly kind: 'coming'; readonly flight: Flight }
  | { readonly kind: 'absent' };

/** A blob on its way. */
export interface Flight {
  /** What has come so far lies there, until it is over. */
  readonly path: string;
  /** Resolves when more of it came, or when it is over. */
  more(): Promise<void>;
  /** Resolves with the path of the whole blob; rejects when it could not be had. */
  readonly over: Promise<string>;
}

export interface ServedBlobsOptions {
  readonly layout: Layout;
  readonly maxBytes: number;
  readonly catalogUrl: () => string;
  readonly credential: () => string;
  /** What the catalog is shown under HTTPS; other hosts are shown nothing. */
  readonly tls?: HostTls | undefined;
  readonly limit: () => Promise<RateLimit>;
  readonly freeBytes: FreeBytes;
  readonly attempts?: number;
}

/** Fetches at once; each takes up to six connections to the catalog, most of them one. */
const FETCHES = 8;
/** Stays free for the host itself. */
const SPARE_BYTES = 64 * 2 ** 20;

interface OwnFlight extends Flight {
  readonly wake: () => void;
  readonly land: (path: string) => void;
  readonly fail: (error: unknown) => void;
}

interface Parts extends ServedBlobsOptions {
  readonly store: BlobStore;
  readonly shelf: Shelf;
  readonly flights: Map<string, OwnFlight>;
  readonly turns: ReturnType<typeof createTurns>;
  readonly shared: ReturnType<typeof sharedLimit>;
  readonly signal: AbortSignal;
}

export async function openServedBlobs(options: ServedBlobsOptions): Promise<ServedBlobs> {
  const dir = options.layout.served;
  await rm(join(dir, 'partial'), { recursive: true, force: true });
  const store = await openBlobStore(dir);
  const shelf = await openShelf(dir, store, options.maxBytes);
  const stopping = new AbortController();
  const [turns, shared] = [createTurns(FETCHES), sharedLimit(options.limit)];
  const parts: Parts = { ...options, store, shelf, flights: new Map(), turns, shared, signal: stopping.signal };
  return {
    want: (entries, tree) => want(parts, entries, tree),
    find: (entry) => find(parts, entry),
    close: async () => {
      stopping.abort(new Error('the agent is stopping'));
      await turns.idle();
    },
  };
}

/** Among what this host has itself, then among what it fetched. */
async function here({ layout, store }: Parts, { sha256, size }: TreeEntry): Promise<string | undefined> {
  for (const path of [join(layout.blobs, sha256.slice(0, 2), sha256), store.pathOf(sha256)]) {
    if ((await stat(path).catch(() => undefined))?.size === size) return path;
  }
  return undefined;
}

async function find(parts: Parts, entry: TreeEntry): Promise<Found> {
  const flight = parts.flights.get(entry.sha256);
  if (flight) return { kind: 'coming', flight };
  const path = await here(parts, entry);
  if (path === undefined) return { kind: 'absent' };
  parts.shelf.used(entry.sha256);
  return { kind: 'here', path };
}

async function want(parts: Parts, entries: readonly TreeEntry[], tree: WantedTree): Promise<void> {
  const { flights, layout, shelf, store, freeBytes } = parts;
  const lacking: TreeEntry[] = [];
  for (const entry of entries) {
    if (!flights.has(entry.sha256) && !(await here(parts, entry))) lacking.push(entry);
  }
  // Somebody else may have begun with some meanwhile. From here on nobody can: room is made afterwards.
  const added = lacking.filter(({ sha256 }) => !flights.has(sha256));
  if (added.length === 0) return;
  for (const { sha256 } of added) flights.set(sha256, createFlight(store.partialPathOf(sha256)));
  const bytes = added.reduce((sum, { size }) => sum + size, 0);
  try {
    await shelf.makeRoom(bytes);
    demandFreeBytes(layout.served, bytes + SPARE_BYTES, freeBytes);
  } catch (error) {
    for (const { sha256 } of added) flights.get(sha256)?.fail(error);
    for (const { sha256 } of added) flights.delete(sha256);
    shelf.giveBack(bytes);
    throw error;
  }
  parts.turns.take(() => fetchThrough(parts, added, tree));
}

async function fetchThrough(parts: Parts, entries: readonly TreeEntry[], tree: WantedTree): Promise<void> {
  const { flights, shared, catalogUrl, credential, tls, attempts, signal } = parts;
  const onBytes = (): void => entries.forEach(({ sha256 }) => flights.get(sha256)?.wake());
  const what = { blobs: landingStore(parts), treeSha256: tree.sha256, files: tree.files, onBytes, signal };
  try {
    const limit = await shared.take();
    await downloadBlobs(entries, {
      ...what,
      catalogUrl: catalogUrl(),
      ...{ credential, tls },
      limit,
      ...(attempts && { attempts }),
    });
  } catch (error) {
    for (const { sha256 } of entries) flights.get(sha256)?.fail(error);
  } finally {
    shared.giveBack();
    for (const { sha256 } of entries) flights.delete(sha256);
    parts.shelf.landed(entries);
  }
}

/** Tells who waits for a blob that it is whole, without waiting for the others of its fetch. */
function landingStore({ store, flights }: Parts): BlobStore {
  const land = (sha256: string): void => flights.get(sha256)?.land(store.pathOf(sha256));
  return {
    ...store,
    keep: (sha256, bytes) => {
      store.keep(sha256, bytes);
      land(sha256);
    },
    adopt: (sha256) => {
      store.adopt(sha256);
      land(sha256);
    },
  };
}

function createFlight(path: string): OwnFlight {
  const over = Promise.withResolvers<string>();
  over.promise.catch(() => undefined); // Whoever waits for it hears of it.
  let next = Promise.withResolvers<void>();
  const wake = (): void => {
    next.resolve();
    next = Promise.withResolvers<void>();
  };
  const end = (settle: () => void) => (): void => {
    settle();
    wake();
  };
  return {
    path,
    over: over.promise,
    more: () => next.promise,
    wake,
    land: (whole) => end(() => over.resolve(whole))(),
    fail: (error) => end(() => over.reject(error))(),
  };
}

/** So many at once; the others wait, and each hands its turn on. */
function createTurns(most: number) {
  const waiting: (() => void)[] = [];
  const begun = new Set<Promise<void>>();
  let free = most;
  const inTurn = async (work: () => Promise<void>): Promise<void> => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
  return {
    take: (work: () => Promise<void>): void => {
      const done = inTurn(work).finally(() => begun.delete(done));
      begun.add(done);
    },
    idle: async (): Promise<void> => {
      while (begun.size > 0) await Promise.allSettled(begun);
    },
  };
}

/** One limit for all fetches that are under way at the same time; asked for anew after a pause. */
function sharedLimit(ask: () => Promise<RateLimit>) {
  let users = 0;
  let current: Promise<RateLimit> | undefined;
  return {
    take: (): Promise<RateLimit> => {
      users += 1;
      current ??= ask();
      return current;
    },
    giveBack: (): void => {
      users -= 1;
      if (users === 0) current = undefined;
    },
  };
}
