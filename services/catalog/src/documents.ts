import type { Collection, CollectionSpec, Store } from '@lastcall/store';
import type { InstallationState } from './domain/installation.js';
import type { ProductState } from './domain/product.js';
import { isSigned, type ReleaseState } from './domain/release.js';
import type { TokenState } from './domain/token.js';
import { versionKey } from './domain/version.js';
import type { Outcome } from './domain/wave-plan.js';
import type { MirrorDocument } from './tuf/mirror.js';
import type { RepositoryDocument } from './tuf/writing.js';
import { dueOf, isBinding, type WaveState } from './domain/wave.js';

/*
 * Documents of the catalog: the states of the domain as they are, one collection each. Lists run over an index of one constant
 * field, so that they come in the order of the ids.
 */

export const ALL = 'all';

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

export const BY_TIME = 'by_time';

const tokens: CollectionSpec<TokenState> = {
  name: 'tokens',
  fields: (token) => ({
    all: true,
    created: token.state === 'absent' ? undefined : token.grant.createdAt,
  }),
  indexes: [
    { name: 'newest', fields: ['all', 'created'] },
    { name: BY_TIME, fields: ['created'] },
  ],
};

export const DUE = 'due';

const waves: CollectionSpec<WaveState> = {
  name: 'waves',
  fields: (wave) => ({
    all: wave.state === 'absent' ? undefined : true,
    product: wave.state === 'absent' ? undefined : wave.plan.product,
    created: wave.state === 'absent' ? undefined : wave.createdAt,
    due_at: dueOf(wave),
    binding: isBinding(wave) ? true : undefined,
    // One wave at a time brings a release to a channel.
    target:
      wave.state === 'running' || wave.state === 'stopped'
        ? `${wave.plan.product}/${wave.plan.version}/${wave.plan.channel}`
        : undefined,
  }),
  indexes: [
    { name: ALL, fields: ['all', 'created'] },
    { name: 'product', fields: ['product', 'created'] },
    { name: 'binding', fields: ['product', 'binding', 'created'] },
    { name: DUE, fields: ['due_at'] },
    { name: 'target', fields: ['target'], unique: true },
  ],
};

/** How the newest run of an installation in a wave ended. */
export interface OutcomeDocument {
  readonly wave: string;
  readonly installation: string;
  readonly outcome: Outcome;
}

const outcomes: CollectionSpec<OutcomeDocument> = {
  name: 'wave_outcomes',
  fields: ({ wave, installation }) => ({ wave, installation }),
  indexes: [{ name: 'wave', fields: ['wave', 'installation'] }],
};

const repository: CollectionSpec<RepositoryDocument> = { name: 'repository', fields: () => ({}), indexes: [] };
const mirror: CollectionSpec<MirrorDocument> = { name: 'mirror', fields: () => ({}), indexes: [] };

export interface Documents {
  readonly products: Collection<ProductState>;
  readonly releases: Collection<ReleaseState>;
  readonly installations: Collection<InstallationState>;
  readonly tokens: Collection<TokenState>;
  readonly waves: Collection<WaveState>;
  readonly outcomes: Collection<OutcomeDocument>;
  readonly repository: Collection<RepositoryDocument>;
  readonly mirror: Collection<MirrorDocument>;
}

export async function openDocuments(store: Store): Promise<Documents> {
  return {
    products: await store.collection(products),
    releases: await store.collection(releases),
    installations: await store.collection(installations),
    tokens: await store.collection(tokens),
    waves: await store.collection(waves),
    outcomes: await store.collection(outcomes),
    repository: await store.collection(repository),
    mirror: await store.collection(mirror),
  };
}

export function outcomeId(wave: string, installation: string): string {
  return `${wave}/${installation}`;
}

export function releaseId(product: string, version: string): string {
  return `${product}/${version}`;
}
