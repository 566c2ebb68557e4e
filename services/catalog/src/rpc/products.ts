import type { catalogV1 } from '@lastcall/contracts';
import { checkId, invalid, isRejected, reject, type Rejected } from '@lastcall/kernel';
import { type RpcHandlers, readPage } from '@lastcall/runtime';
import { actOn } from '../decide.js';
import { releaseId, type Documents } from '../documents.js';
import type { PresentProduct } from '../domain/product.js';
import { compareVersions, isNewer } from '../domain/version.js';
import { productMachine } from '../machines.js';
import { checkOptionalVersion, checkTitle, parsePage, Wrong } from '../requests.js';
import { channelToWire, productToWire } from '../wire.js';
import { publishedReleases } from './published-releases.js';

type Handlers = RpcHandlers<typeof catalogV1.CatalogServiceService>;
type Names = 'createProduct' | 'getProduct' | 'listProducts' | 'listChannels' | 'updateChannel';

export function productHandlers(documents: Documents): Pick<Handlers, Names> {
  return {
    createProduct: (request) => createProduct(documents, request),
    getProduct: async (request) => {
      const wrong = new Wrong();
      const { product } = wrong.name('product', 'name', request.name);
      const found = wrong.rejected() ?? (await findProduct(documents, product));
      return isRejected(found) ? found : { product: productToWire(product, found) };
    },
    listProducts: async (request) => {
      const wrong = new Wrong();
      const page = parsePage(wrong, request);
      const query = { index: 'all', where: { all: true } };
      const found =
        wrong.rejected() ??
        (await readPage(documents.products, query, page, ({ id, data }) => {
          return data.state === 'present' ? productToWire(id, data) : undefined;
        }));
      return isRejected(found) ? found : { products: found.items, nextPageToken: found.nextPageToken };
    },
    listChannels: async (request) => {
      const wrong = new Wrong();
      const { product } = wrong.name('product', 'parent', request.parent);
      const found = wrong.rejected() ?? (await findProduct(documents, product));
      return isRejected(found) ? found : { channels: await channelsOf(documents, product, found) };
    },
    updateChannel: (request) => updateChannel(documents, request),
  };
}

async function createProduct(
  documents: Documents,
  request: catalogV1.CreateProductRequest,
): Promise<catalogV1.CreateProductResponse | Rejected> {
  const { productId, product } = request;
  const wrong = new Wrong();
  wrong.add(checkId('product_id', productId), checkTitle('product.title', product?.title ?? ''));
  const rejected = wrong.rejected();
  if (rejected) return rejected;
  const outcome = await actOn(documents.products, productMachine).carryOut(productId, (at) => {
    return { type: 'create', title: product?.title ?? '', at };
  });
  if (isRejected(outcome)) return outcome;
  return { product: outcome.state.state === 'present' ? productToWire(productId, outcome.state) : undefined };
}

export async function findProduct(documents: Documents, product: string): Promise<PresentProduct | Rejected> {
  const state = (await documents.products.get(product))?.data;
  if (state?.state === 'present') return state;
  return reject('not-found', 'PRODUCT_NOT_FOUND', `there is no product ${product}`);
}

/** Newest release that each channel offers: a withdrawn head leaves the one below it. */
async function channelsOf(documents: Documents, product: string, state: PresentProduct): Promise<catalogV1.Channel[]> {
  const published = await publishedReleases(documents, product);
  return Object.entries(state.channels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, channel]) => {
      const offered = published
        .filter((release) => release.channels.includes(name) && !isNewer(release.version, channel.version))
        .toSorted((a, b) => compareVersions(b.version, a.version));
      return channelToWire(product, name, { version: offered[0]?.version ?? '', revision: channel.revision });
    });
}

async function updateChannel(
  documents: Documents,
  { channel: wire }: catalogV1.UpdateChannelRequest,
): Promise<catalogV1.UpdateChannelResponse | Rejected> {
  if (!wire) return invalid([{ field: 'channel', description: 'is missing' }]);
  const wrong = new Wrong();
  const { product, channel } = wrong.name('channel', 'channel.name', wire.name);
  wrong.add(checkOptionalVersion('channel.version', wire.version));
  const rejected = wrong.rejected() ?? (await checkInChannel(documents, product, channel, wire.version));
  if (rejected) return rejected;
  const outcome = await actOn(documents.products, productMachine).carryOut(product, () => {
    return { type: 'move-channel', channel, version: wire.version, etag: wire.etag };
  });
  if (isRejected(outcome)) return outcome;
  const moved = outcome.state.state === 'present' ? outcome.state.channels[channel] : undefined;
  return { channel: moved && channelToWire(product, channel, moved) };
}

/** A head may be empty: the channel then offers nothing. */
async function checkInChannel(
  documents: Documents,
  product: string,
  channel: string,
  version: string,
): Promise<Rejected | undefined> {
  const state = await findProduct(documents, product);
  if (isRejected(state)) return state;
  // An unknown channel is refused by the product itself.
  if (version === '' || !state.channels[channel]) return undefined;
  const release = (await documents.releases.get(releaseId(product, version)))?.data;
  if (!release || release.state === 'absent') {
    return reject('not-found', 'RELEASE_NOT_FOUND', `there is no release ${version} of ${product}`);
  }
  if (release.state !== 'published') {
    return reject('refused', 'RELEASE_NOT_PUBLISHED', `${version} is not published, so no channel can offer it`);
  }
  if (release.channels.includes(channel)) return undefined;
  const message = `${version} is not in the channel ${channel}; publish it into that channel`;
  return reject('refused', 'RELEASE_NOT_IN_CHANNEL', message);
}
