import type { Collection, CollectionSpec, Store } from '@lastcall/store';
import type { InstallationState } from './domain/installation.js';
import type { ProductState } from './domain/product.js';
import { isSigned, type ReleaseState } from './domain/release.js';
import type { TokenState } from './domain/token.js';
import { versionKey } from './domain/version.js';
import type { RepositoryDocument } from './tuf/writing.js';

/*
 * Documents of the catalog: the states of the domain as they are, one collection each. Lists run over an index of one constant
 * field, so that they come in the order of the ids.
 */

const ALL = 'all';

const products: CollectionSpec<ProductState> = {
  name: 'products',
  fields: () => ({ all: true }),
  indexes: [{ name: ALL, fields: ['all'] }],
};

const releases: CollectionSpec<ReleaseState> = {
  name: 'releases',
  fields: (release) => ({
    product: release.state === 'absent' ? undefined : release.content.product,
    order: release.state === 'absent' ? undefined : versionKey(release.content.version),
    state: release.state,
    // Stands in the signed repository.
    signed: isSigned(release) ? true : undefined,
  }),
  indexes: [
    { name: 'newest', fields: ['product', 'order'] },
    { name: 'by_state', fields: ['product', 'state', 'order'] },
    { name: 'signed', fields: ['signed', 'product', 'order'] },
    { name: 'state', fields: ['state'] },
  ],
};

const installations: CollectionSpec<InstallationState> = {
  name: 'installations',
  fields: (installation) => ({
    all: installation.state === 'present' ? true : undefined,
    product: installation.state === 'present' ? installation.settings.product : undefined,
  }),
  indexes: [
    { name: ALL, fields: ['all'] },
    { name: 'product', fields: ['product'] },
  ],
};

const tokens: CollectionSpec<TokenState> = {
  name: 'tokens',
  fields: (token) => ({
    all: true,
    created: token.state === 'absent' ? undefined : token.grant.createdAt,
  }),
  indexes: [{ name: 'newest', fields: ['all', 'created'] }],
};

const repository: CollectionSpec<RepositoryDocument> = { name: 'repository', fields: () => ({}), indexes: [] };

export interface Documents {
  readonly products: Collection<ProductState>;
  readonly releases: Collection<ReleaseState>;
  readonly installations: Collection<InstallationState>;
  readonly tokens: Collection<TokenState>;
  readonly repository: Collection<RepositoryDocument>;
}

export async function openDocuments(store: Store): Promise<Documents> {
  return {
    products: await store.collection(products),
    releases: await store.collection(releases),
    installations: await store.collection(installations),
    tokens: await store.collection(tokens),
    repository: await store.collection(repository),
  };
}

export function releaseId(product: string, version: string): string {
  return `${product}/${version}`;
}
