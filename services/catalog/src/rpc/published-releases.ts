import type { Documents } from '../documents.js';
import type { PastRelease } from '../domain/downgrade-check.js';
import type { Candidate } from '../domain/update-path.js';

const PAGE = 1_000;

/** Releases of a product that were ever published. */
export async function pastReleases(documents: Documents, product: string): Promise<readonly PastRelease[]> {
  const found: PastRelease[] = [];
  for (const state of ['published', 'withdrawn'] as const) {
    let pageToken: string | undefined;
    do {
      const page = await documents.releases.query({
        index: 'by_state',
        where: { product, state },
        limit: PAGE,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      for (const { data } of page.items) {
        if (data.state !== 'published' && data.state !== 'withdrawn') continue;
        const { version, requirements } = data.content;
        found.push({ version, changesData: requirements.changesData });
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
  }
  return found;
}

/** All published releases of a product, as the question for an update needs them. */
export async function publishedReleases(documents: Documents, product: string): Promise<readonly Candidate[]> {
  const found: Candidate[] = [];
  let pageToken: string | undefined;
  do {
    const page = await documents.releases.query({
      index: 'by_state',
      where: { product, state: 'published' },
      limit: PAGE,
      ...(pageToken === undefined ? {} : { pageToken }),
    });
    for (const { data } of page.items) {
      if (data.state !== 'published') continue;
      const { version, updatesFrom, requiredVersions } = data.content;
      found.push({ version, updatesFrom, requiredVersions, channels: data.channels });
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return found;
}
