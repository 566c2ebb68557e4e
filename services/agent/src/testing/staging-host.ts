import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openBlobStore } from '../blobs/blob-store.js';
import { createRateLimit, type RateAt } from '../blobs/rate-limit.js';
import type { Pace } from '../blobs/byte-source.js';
import type { Evidence } from '../domain/order.js';
import { layoutOf, makeFolders, type Layout } from '../layout.js';
import { createReleases, type Releases } from '../releases.js';
import { createStaging, type Staging } from '../staging.js';
import { statFreeBytes, type FreeBytes, type StepFailure } from '../step-failure.js';
import { createReleaseSource, pinRoot, type ReleaseSource } from '../tuf/release-source.js';
import { failureOf } from './failure-of.js';
import type { TestRepository } from './tuf-repository.js';

/** The part of an agent that stages, on a real folder, against a repository. */
export interface StagingHost {
  readonly layout: Layout;
  readonly releases: Releases;
  readonly staging: Staging;
  readonly source: ReleaseSource;
  /** All three steps of a StageRelease. */
  stage(version: string): Promise<Evidence>;
  /** Why it failed. */
  failure(version: string): Promise<StepFailure['failure']>;
}

export interface StagingHostOptions {
  readonly freeBytes?: FreeBytes;
  readonly pace?: Pace;
  readonly rateAt?: RateAt;
  readonly attempts?: number;
  readonly onBytes?: (done: number, total: number) => void;
}

const signal = new AbortController().signal;

export async function createStagingHost(
  dir: string,
  repository: TestRepository,
  options: StagingHostOptions = {},
): Promise<StagingHost> {
  const { freeBytes = statFreeBytes, rateAt = () => Infinity, attempts = 2, pace, onBytes = () => undefined } = options;
  const layout = layoutOf(dir);
  makeFolders(layout);
  if (!existsSync(join(layout.tuf, 'trusted.json'))) pinRoot(layout, repository.root);
  const catalogUrl = (): string => repository.url;
  const credential = (): string => 'eyJ';
  const releases = createReleases(layout, 'encore');
  const trusted = { layout, catalogUrl, credential, role: 'server', platforms: ['any'], attempts };
  const source = createReleaseSource(trusted);
  const staging = createStaging({
    ...{ layout, releases, catalogUrl, credential, freeBytes, attempts, ...(pace && { pace }) },
    source,
    blobs: await openBlobStore(layout.blobs),
    limit: async () => createRateLimit(rateAt),
  });
  const stage = async (version: string): Promise<Evidence> => {
    await staging.fetchTexts('encore', version, signal);
    const evidence = await staging.downloadFiles(version, signal, onBytes);
    await staging.buildTree(version, signal);
    return evidence;
  };
  return { layout, releases, staging, source, stage, failure: (version) => failureOf(stage(version)) };
}
