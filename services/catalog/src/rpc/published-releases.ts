import type { Documents } from '../documents.js';
import type { PastRelease } from '../domain/downgrade-check.js';
import type { Candidate } from '../domain/update-path.js';
import { readAll } from '../read-all.js';

/** Releases of a product that were ever published. */
export async function pastReleases(documents: Documents, product: string): Promise<readonly PastRelease[]> {
  const found: PastRelease[] = [];
  for (const state of ['published', 'withdrawn'] as const) {
    for await (const { data } of readAll(documents.releases, { index: 'by_state', where: { product, state } })) {
      if (data.state !== 'published' && data.state !== 'withdrawn') continue;
      const { version, requirements } = data.content;
      found.push({ version, changesData: requirements.changesData });
    }
  }
  return found;
}

/** All published releases of a product, as the question for an update needs them. */
export async function publishedReleases(documents: Documents, product: string): Promise<readonly Candidate[]> {
  const found: Candidate[] = [];
  const where = { product, state: 'published' };
  for await (const { data } of readAll(documents.releases, { index: 'by_state', where })) {
    if (data.state !== 'published') continue;
    const { version, updatesFrom, requiredVersions } = data.content;
    found.push({ version, updatesFrom, requiredVersions, channels: data.channels });
  }
  return found;
}
