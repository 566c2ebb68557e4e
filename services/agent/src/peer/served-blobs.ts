import type { TreeEntry } from '@lastcall/contracts';
import { existsSync } from 'node:fs';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { openBlobStore, type BlobStore } from '../blobs/blob-store.js';
import { downloadBlobs } from '../blobs/download-blobs.js';
import type { RateLimit } from '../blobs/rate-limit.js';
import type { Layout } from '../layout.js';
import { demandFreeBytes, diskFull, type FreeBytes } from '../step-failure.js';

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

export async function openServedBlobs(options: ServedBlobsOptions): Promise<ServedBlobs> {
  const { layout, freeBytes, catalogUrl, credential, attempts } = options;
  const dir = layout.served;
  await rm(join(dir, 'partial'), { recursive: true, force: true });
  const store = await openBlobStore(dir);
  const shelf = await openShelf(dir, store, options.maxBytes);
  const flights = new Map<string, OwnFlight>();
  const stopping = new AbortController();
  const turns = createTurns(FETCHES);
  const limit = sharedLimit(options.limit);
  const own = (sha256: string): string => join(layout.blobs, sha256.slice(0, 2), sha256);
  const here = async (entry: TreeEntry): Promise<string | undefined> => {
    for (const path of [own(entry.sha256), store.pathOf(entry.sha256)]) {
      if ((await stat(path).catch(() => undefined))?.size === entry.size) return path;
    }
    return undefined;
  };
  const landing: BlobStore = {
    ...store,
    keep: (sha256, bytes) => {
      store.keep(sha256, bytes);
      flights.get(sha256)?.land(store.pathOf(sha256));
    },
    adopt: (sha256) => {
      store.adopt(sha256);
      flights.get(sha256)?.land(store.pathOf(sha256));
    },
  };
  const fetch = async (entries: readonly TreeEntry[], tree: WantedTree): Promise<void> => {
    const onBytes = (): void => entries.forEach(({ sha256 }) => flights.get(sha256)?.wake());
    const what = { treeSha256: tree.sha256, files: tree.files };
    try {
      const from = { catalogUrl: catalogUrl(), credential, limit: await limit.take(), ...(attempts && { attempts }) };
      await downloadBlobs(entries, { blobs: landing, ...from, ...what, signal: stopping.signal, onBytes });
    } catch (error) {
      for (const { sha256 } of entries) flights.get(sha256)?.fail(error);
    } finally {
      limit.giveBack();
      for (const { sha256 } of entries) flights.delete(sha256);
      shelf.landed(entries);
    }
  };
  return {
    want: async (entries, tree) => {
      const lacking: TreeEntry[] = [];
      for (const entry of entries) {
        if (!flights.has(entry.sha256) && !(await here(entry))) lacking.push(entry);
      }
      const added = lacking.filter(({ sha256 }) => !flights.has(sha256));
      if (added.length === 0) return;
      const bytes = added.reduce((sum, { size }) => sum + size, 0);
      // In this order nobody else begins with the same ones while room is made.
      for (const { sha256 } of added) flights.set(sha256, createFlight(store.partialPathOf(sha256)));
      try {
        await shelf.makeRoom(bytes);
        demandFreeBytes(dir, bytes + SPARE_BYTES, freeBytes);
      } catch (error) {
        for (const { sha256 } of added) flights.get(sha256)?.fail(error);
        for (const { sha256 } of added) flights.delete(sha256);
        shelf.giveBack(bytes);
        throw error;
      }
      turns.take(() => fetch(added, tree));
    },
    find: async (entry) => {
      const flight = flights.get(entry.sha256);
      if (flight) return { kind: 'coming', flight };
      const path = await here(entry);
      if (path === undefined) return { kind: 'absent' };
      shelf.used(entry.sha256);
      return { kind: 'here', path };
    },
    close: async () => {
      stopping.abort(new Error('the agent is stopping'));
      await turns.idle();
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

/** What lies in the store, by when it was used last, within its budget. */
async function openShelf(dir: string, store: BlobStore, maxBytes: number) {
  const sizes = new Map<string, number>();
  let bytes = 0;
  const found: { name: string; size: number; at: number }[] = [];
  for (const folder of (await readdir(dir)).filter((name) => name.length === 2)) {
    for (const name of await readdir(join(dir, folder))) {
      const { size, mtimeMs } = await stat(join(dir, folder, name));
      found.push({ name, size, at: mtimeMs });
    }
  }
  for (const { name, size } of found.toSorted((a, b) => a.at - b.at)) {
    sizes.set(name, size);
    bytes += size;
  }
  /** Promised to what is on its way. */
  let promised = 0;
  return {
    /** Throws DISK_FULL when it can never be. */
    makeRoom: async (needed: number): Promise<void> => {
      promised += needed;
      if (promised > maxBytes) throw diskFull(dir, maxBytes - promised + needed, needed);
      for (const [sha256, size] of sizes) {
        if (bytes + promised <= maxBytes) return;
        sizes.delete(sha256);
        bytes -= size;
        // Whoever is reading it has it open.
        await rm(store.pathOf(sha256), { force: true });
      }
    },
    giveBack: (given: number): void => {
      promised -= given;
    },
    landed: (entries: readonly TreeEntry[]): void => {
      for (const { sha256, size } of entries) {
        promised -= size;
        if (!existsSync(store.pathOf(sha256))) continue;
        sizes.set(sha256, size);
        bytes += size;
      }
    },
    used: (sha256: string): void => {
      const size = sizes.get(sha256);
      if (size === undefined) return;
      sizes.delete(sha256);
      sizes.set(sha256, size);
      const now = new Date();
      // For the order after the next start; a moment too late does no harm.
      utimes(store.pathOf(sha256), now, now).catch(() => undefined);
    },
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
