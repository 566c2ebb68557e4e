import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openBlobStore } from '../blobs/blob-store.js';
import { AGENT_PRODUCT } from '../domain/order.js';
import { syncFolder } from '../files.js';
import { layoutOf, type Layout } from '../layout.js';
import { createReleases, type Releases } from '../releases.js';
import { createStaging, type Staging, type StagingParts } from '../staging.js';

/*
 * Versions of the agent itself, below `program/`: staged, verified and linked by the same code as those of the application, in folders of their
 * own, so that neither takes the other's place.
 */

export interface ProgramFolder {
  readonly dir: string;
  readonly releases: Releases;
  /** Makes the folders when they are missing. */
  openStaging(): Promise<Staging>;
  mainOf(version: string): string;
}

/** The one that runs and the one before. */
const KEEP = { versions: 2, maxBytes: 0 } as const;

/** `parts`: what staging needs besides its folders. */
export function createProgramFolder(
  { program }: Pick<Layout, 'program'>,
  parts: Omit<StagingParts, 'layout' | 'releases' | 'blobs' | 'keep'>,
): ProgramFolder {
  const layout = layoutOf(program);
  const releases = programReleases({ program });
  return {
    dir: program,
    releases,
    openStaging: async () => {
      for (const dir of [layout.releases, layout.versions, layout.scratch]) mkdirSync(dir, { recursive: true });
      // Their own names; staging sees to what is in them.
      for (const dir of [program, dirname(program)]) syncFolder(dir);
      return createStaging({ ...parts, layout, releases, blobs: await openBlobStore(layout.blobs), keep: KEEP });
    },
    mainOf: (version) => join(releases.treeOf(version), 'dist', 'main.js'),
  };
}

export function programReleases({ program }: Pick<Layout, 'program'>): Releases {
  return createReleases(layoutOf(program), AGENT_PRODUCT);
}
