import { reject, type Rejected } from '@lastcall/kernel';
import { releaseId, type Documents } from '../documents.js';
import type { KnownRelease } from '../domain/release.js';

export async function findRelease(
  documents: Documents,
  product: string,
  version: string,
): Promise<KnownRelease | Rejected> {
  const release = (await documents.releases.get(releaseId(product, version)))?.data;
  if (release && release.state !== 'absent') return release;
  return reject('not-found', 'RELEASE_NOT_FOUND', `there is no release ${version} of ${product}`);
}
