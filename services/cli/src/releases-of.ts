import { catalogV1, formatName } from '@lastcall/contracts';
import { allPages, type Services } from './connect.js';
import { UsageError } from './failures.js';
import { lastPart } from './render/words.js';
import type { Work } from './work.js';

/** Newest first. */
export async function releasesOf({ catalog }: Services, product: string): Promise<catalogV1.Release[]> {
  const parent = formatName('product', { product });
  return allPages(async (pageToken) => {
    const request = catalogV1.ListReleasesRequest.fromPartial({ parent, pageToken });
    const page = await catalog.listReleases(request);
    return { items: page.releases, next: page.nextPageToken };
  });
}

export async function onlyProduct({ services }: Work): Promise<string> {
  const { products } = await services.catalog.listProducts({ pageSize: 20, pageToken: '' });
  const [only, ...others] = products.map((p) => lastPart(p.name));
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) throw new UsageError('there is no product yet; "lastcall release publish" makes one');
  throw new UsageError(`there are several products (${[only, ...others].join(', ')}); name one with --product`);
}
