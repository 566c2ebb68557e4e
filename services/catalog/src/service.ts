import { join } from 'node:path';
import { DAY_MS } from '@lastcall/kernel';
import {
  createApprovals,
  createTokenIssuer,
  type ServiceContext,
  type ServiceModule,
  type ServiceParts,
} from '@lastcall/runtime';
import { openBlobs } from './blobs.js';
import { openDocuments, type Documents } from './documents.js';
import type { Lifetimes } from './domain/repository.js';
import { acceptedKeys } from './domain/installation.js';
import { createConsumers } from './events.js';
import { blobRoutes, packRoutes, tufRoutes } from './http.js';
import { createPacks } from './packs.js';
import { createPublishing, readReleases } from './publishing.js';
import { createImporting } from './importing.js';
import { createRpc } from './rpc.js';
import { signInOf } from './rpc/sign-in.js';
import { catalogSettings, type CatalogSettings } from './settings.js';
import { createSignatureWatch, createSigning } from './signing.js';
import { createTokenRemover, importTokens } from './tokens.js';
import { createSignatureGauge } from './signature-gauge.js';
import { createWaveGauge } from './wave-gauge.js';
import { createWaves } from './waves.js';
import { DEFAULT_LIFETIMES } from './tuf/opened.js';
import { mirroredOr, openMirror } from './tuf/mirror.js';
import { openRepository } from './tuf/repository.js';

/*
 * The catalog: versions, installations and what is installed on them, credentials. Owns the bytes of releases and their signatures.
 * Replicas share the store and one data folder; what they write there is written once or under names of its own.
 */

export const catalogModule: ServiceModule<CatalogSettings> = {
  name: 'catalog',
  settings: catalogSettings,
  create: createCatalog,
};

async function createCatalog(context: ServiceContext<CatalogSettings>): Promise<ServiceParts> {
  const { store, settings, dataDir, identityDir } = context;
  const now = (): Promise<number> => store.now();
  const documents = await openDocuments(store);
  const blobs = await openBlobs({ dir: join(dataDir, 'blobs') });
  const own = await openRepository({
    dir: join(dataDir, 'tuf'),
    documents: documents.repository,
    releases: (scope) => readReleases(documents, scope),
    now,
    lifetimes: lifetimesOf(settings),
  });
  const mirror = await openMirror(join(dataDir, 'tuf', 'mirror'), documents.mirror);
  const repository = mirroredOr(own, mirror);
  const issuer = await createTokenIssuer(join(identityDir, 'signing-key.pem'));
  const publishing = createPublishing({ documents, blobs, repository });
  const waves = createWaves({ context, documents });
  const signing = createSigning({ documents, blobs, repository });
  const { log } = context;
  const onWithdrawn = (product: string, version: string): Promise<void> => waves.lookAtRelease(product, version);
  const importing = createImporting({ documents, blobs, repository, mirror, publishing, onWithdrawn, log, now });
  const approvals = await createApprovals(context);
  await importTokens(documents, identityDir);
  // Signatures may have run out while nothing was running; the first client must not meet them.
  await repository.keep();
  return {
    rpc: createRpc({
      ...{ documents, blobs, publishing, signing, importing, mirror, repository, waves, issuer, now },
      approvals,
      keysMinutes: settings.secondPersonForKeysMinutes,
      signIn: signInOf(settings, context.clock),
      audit: (call) => context.audit(call),
    }),
    http: [...blobRoutes(blobs), ...packRoutes(createPacks(blobs)), ...tufRoutes({ blobs, repository })],
    consumers: createConsumers(documents, waves, log),
    duties: [
      publishing.keeper,
      waves.duty,
      createWaveGauge(documents, (...said) => context.gauge(...said)),
      ...(context.isObserved ? [createSignatureGauge(repository, (...said) => context.gauge(...said))] : []),
      createSignatureWatch({ documents, blobs, repository }, log, now),
      importing.watch,
      approvals.duty,
      createTokenRemover(documents, now),
    ],
    agentKeys: (installation, host) => agentKeys(documents, installation, host),
  };
}

/** A snapshot is renewed at half of its life: what is left of it must not end before the timestamp over it does. */
function lifetimesOf({ timestampValidDays }: CatalogSettings): Lifetimes {
  const timestampMs = timestampValidDays * DAY_MS;
  return { ...DEFAULT_LIFETIMES, timestampMs, snapshotMs: Math.max(DEFAULT_LIFETIMES.snapshotMs, 2 * timestampMs) };
}

async function agentKeys(documents: Documents, installation: string, host: string): Promise<readonly Uint8Array[]> {
  const state = (await documents.installations.get(installation))?.data;
  const record = state?.state === 'present' ? state.hosts[host] : undefined;
  return record ? acceptedKeys(record).map((key) => Buffer.from(key, 'base64')) : [];
}
