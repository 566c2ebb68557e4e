import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBlobStore } from '../blobs/blob-store.js';
import { createRateLimit, type RateAt } from '../blobs/rate-limit.js';
import type { Pace } from '../blobs/byte-source.js';
import type { Evidence } from '../domain/order.js';
import { layoutOf, makeFolders, type Layout } from '../layout.js';
import { createReleases, type Releases } from '../releases.js';
import { createStaging, type Staging } from '../staging.js';
import { statFreeBytes, toStepFailure, type FreeBytes, type StepFailure } from '../step-failure.js';
import { createReleaseSource, pinRoot } from '../tuf/release-source.js';
import type { TestRepository } from './tuf-repository.js';

/** The part of an agent that stages, on a real folder, against a repository. */
export interface StagingHost {
  readonly layout: Layout;
  readonly releases: Releases;
  readonly staging: Staging;
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
  readonly peerUrl?: string;
  readonly onBytes?: (done: number, total: number) => void;
}

const signal = new AbortController().signal;

export async function createStagingHost(
  dir: string,
  repository: TestRepository,
  options: StagingHostOptions = {},
): Promise<StagingHost> {
  const {
    freeBytes = statFreeBytes,
    rateAt = () => Infinity,
    attempts = 2,
    pace,
    peerUrl,
    onBytes = () => undefined,
  } = options;
  const layout = layoutOf(dir);
  makeFolders(layout);
  if (!existsSync(join(layout.tuf, 'root.json'))) pinRoot(layout, repository.root);
  const catalogUrl = (): string => repository.url;
  const credential = (): string => 'eyJ';
  const releases = createReleases(layout, 'encore');
  const trusted = { layout, catalogUrl, credential, role: 'server', platforms: ['any'], attempts };
  const staging = createStaging({
    ...{ layout, releases, catalogUrl, credential, freeBytes, attempts, ...(pace && { pace }) },
    source: createReleaseSource(trusted),
    blobs: await openBlobStore(layout.blobs),
    limit: async () => createRateLimit(rateAt),
    peerUrl: () => peerUrl,
  });
  const stage = async (version: string): Promise<Evidence> => {
    await staging.fetchTexts('encore', version, signal);
    const evidence = await staging.downloadFiles(version, signal, onBytes);
    await staging.buildTree(version, signal);
    return evidence;
  };
  const failure = async (version: string): Promise<StepFailure['failure']> => {
    const failed = await stage(version).then(
      () => undefined,
      (error: unknown) => toStepFailure(error, tmpdir()),
    );
    if (!failed) throw new Error('it did not fail');
    return failed.failure;
  };
  return { layout, releases, staging, stage, failure };
}
