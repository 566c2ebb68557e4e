import type { TreeEntry } from '@lastcall/contracts';
import { existsSync } from 'node:fs';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '../blobs/blob-store.js';
import { diskFull } from '../step-failure.js';

/* What lies in a store, by when it was used last, within a budget of bytes. */

export interface Shelf {
  /** Promises so many bytes to what is about to come; what was not used longest goes for it. Throws DISK_FULL when that is not enough. */
  makeRoom(bytes: number): Promise<void>;
  /** What was promised does not come. */
  giveBack(bytes: number): void;
  /** It came, or it did not. */
  landed(entries: readonly TreeEntry[]): void;
  used(sha256: string): void;
}

export async function openShelf(dir: string, store: BlobStore, maxBytes: number): Promise<Shelf> {
  const sizes = await scan(dir);
  let bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  /** Promised to what is on its way. */
  let promised = 0;
  return {
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

/** What was used longest ago comes first. */
async function scan(dir: string): Promise<Map<string, number>> {
  const found: { name: string; size: number; at: number }[] = [];
  for (const folder of (await readdir(dir)).filter((name) => name.length === 2)) {
    for (const name of await readdir(join(dir, folder))) {
      const { size, mtimeMs } = await stat(join(dir, folder, name));
      found.push({ name, size, at: mtimeMs });
    }
  }
  return new Map(found.toSorted((a, b) => a.at - b.at).map(({ name, size }) => [name, size]));
}
