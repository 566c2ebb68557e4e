import { sha256Hex } from '@lastcall/kernel';
import type { Store } from '@lastcall/store';
import { openDocuments, releaseId } from '../documents.js';
import type { ReleaseState } from '../domain/release.js';
import { sampleContent } from './sample-content.js';

/*
 * Releases as they would stand there after years of publications, without their bytes: for measurements of what grows with their number.
 */

export interface Seed {
  readonly products: number;
  /** The last of them is this one. */
  readonly years: number;
  /** Of each product and year. */
  readonly releases: number;
}

export const seededProduct = (i: number): string => `product-${String(i + 1).padStart(3, '0')}`;

export async function seedReleases(
  store: Store,
  { products, years, releases }: Seed,
  done: (n: number) => void,
): Promise<void> {
  const documents = await openDocuments(store);
  const now = await store.now();
  const thisYear = new Date(now).getUTCFullYear();
  let count = 0;
  for (let i = 0; i < products; i++) {
    const product = seededProduct(i);
    const newest = `${years}.${releases - 1}.0`;
    const channels = { stable: { version: newest, revision: 1 } };
    await documents.products.insertMany([{ id: product, data: { state: 'present', title: product, createdAt: now, channels } }]); // prettier-ignore
    for (let y = 0; y < years; y++) {
      const at = Date.UTC(thisYear - years + 1 + y, 0, 2);
      const versions = Array.from({ length: releases }, (_, n) => `${y + 1}.${n}.0`);
      for (let from = 0; from < versions.length; from += 500) {
        const some = versions.slice(from, from + 500);
        await documents.releases.insertMany(some.map((version) => ({ id: releaseId(product, version), data: published(product, version, at) }))); // prettier-ignore
        count += some.length;
      }
    }
    done(count);
  }
}

function published(product: string, version: string, at: number): ReleaseState {
  const content = sampleContent(product, version, {
    notes: 'What is new, in a sentence or two, as a vendor writes it for the people who use the application.',
    artifacts: (['server', 'workstation'] as const).map((role) => ({
      role,
      platform: 'any',
      treeSha256: sha256Hex(`${role} ${product} ${version}`),
      treeBytes: 40_000,
      fileCount: 300,
      totalBytes: 200_000_000,
    })),
    manifestSha256: sha256Hex(`manifest ${product} ${version}`),
    manifestBytes: 1_000,
  });
  return { state: 'published', content, createdAt: at, revision: 3, channels: ['stable'], publishedAt: at };
}
