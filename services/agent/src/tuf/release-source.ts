import { refused, TrustRefusal, withSignedCatalog, type SignedCatalog, type TargetMeta } from '@lastcall/trust/client';
import type { HostTls } from '../host-tls.js';
import type { Layout } from '../layout.js';
import { Interrupted, StepFailure, toFailure } from '../step-failure.js';
import { createMetadataFetcher, type Pace } from './metadata-fetcher.js';
import { openTrustedState } from './trusted-state.js';

/*
 * The signed catalog as this host sees it. Owns that nothing unsigned passes: both texts of a release come through the chain of
 * signatures from the root that was pinned when the host joined. One look at a time, so that none writes an older state over a newer one.
 */

/** The signed texts of one release for this host. */
export interface SignedRelease {
  readonly manifest: Buffer;
  readonly tree: Buffer;
}

export interface ReleaseSource {
  /** Manifest and tree of a release. Throws a StepFailure. */
  fetchRelease(product: string, version: string, signal: AbortSignal): Promise<SignedRelease>;
  /** The manifest alone. */
  fetchManifest(product: string, version: string, signal: AbortSignal): Promise<Buffer>;
  /** All signed versions of a product that were not taken back, without asking anybody which is the newest. */
  listVersions(product: string, signal: AbortSignal): Promise<readonly string[]>;
}

export interface ReleaseSourceOptions {
  readonly layout: Layout;
  readonly catalogUrl: () => string;
  readonly credential: () => string;
  readonly tls?: HostTls | undefined;
  readonly role: string;
  /** Most wanted first. */
  readonly platforms: readonly string[];
  readonly attempts?: number;
  readonly pace?: Pace;
  /** For one look at the catalog, whatever its pace. */
  readonly deadlineMs?: number;
}

export const OWN_PLATFORMS: readonly string[] = [`${process.platform}-${process.arch}`, 'any'];

const DEADLINE_MS = 300_000;

/**
 * Pins the root that a host trusts from now on. What it has seen before stays the floor where the same keys still sign; so does the
 * timestamp of now, empty when it is not known.
 */
export function pinRoot(layout: Pick<Layout, 'tuf'>, root: Uint8Array, timestamp: Uint8Array = Buffer.alloc(0)): void {
  openTrustedState(layout.tuf).pin(Buffer.from(root), timestamp.byteLength > 0 ? Buffer.from(timestamp) : undefined);
}

export function createReleaseSource(options: ReleaseSourceOptions): ReleaseSource {
  const look = oneAtATime(options);
  return {
    fetchManifest: (product, version, signal) =>
      look(signal, async (catalog) => catalog.fetch(await manifestTarget(catalog, product, version))),
    listVersions: (product, signal) => look(signal, async (catalog) => offered(catalog, product)),
    fetchRelease: (product, version, signal) =>
      look(signal, async (catalog) => {
        const manifest = await manifestTarget(catalog, product, version);
        const tree = await treeTarget(catalog, product, version, options);
        return { manifest: await catalog.fetch(manifest), tree: await catalog.fetch(tree) };
      }),
  };
}

type Look = <T>(signal: AbortSignal, work: (catalog: SignedCatalog) => Promise<T>) => Promise<T>;

function oneAtATime(options: ReleaseSourceOptions): Look {
  let last: Promise<unknown> = Promise.resolve();
  return (signal, work) => {
    const next = last.then(() => lookAtCatalog(options, signal, work));
    last = next.catch(() => undefined); // Whoever asked hears of it.
    return next;
  };
}

async function lookAtCatalog<T>(
  { layout, catalogUrl, credential, tls, attempts, pace, deadlineMs = DEADLINE_MS }: ReleaseSourceOptions,
  stopping: AbortSignal,
  work: (catalog: SignedCatalog) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const signal = AbortSignal.any([stopping, deadline]);
  const http = { credential, tls, signal, ...(attempts && { attempts }), ...(pace && { pace }) };
  const base = `${catalogUrl()}/tuf`;
  const parts = {
    state: openTrustedState(layout.tuf),
    metadata: createMetadataFetcher({ ...http, baseUrl: base }),
    targets: createMetadataFetcher({ ...http, baseUrl: `${base}/targets` }),
  };
  try {
    return await withSignedCatalog(parts, work);
  } catch (error) {
    if (stopping.aborted) throw new Interrupted();
    if (error instanceof TrustRefusal) throw toFailure(error);
    if (!deadline.aborted || error instanceof StepFailure) throw error;
    const why = `the catalog did not answer everything within ${deadlineMs / 1000} s`;
    throw toFailure(refused('CATALOG_TOO_SLOW', '', why, error));
  }
}

async function offered(catalog: SignedCatalog, product: string): Promise<readonly string[]> {
  const versions = (await catalog.list(product)).flatMap(({ path }) => versionOf(path));
  return versions.filter((version) => !catalog.isWithdrawn(`${product}/${version}`));
}

/** Of a manifest's path; nothing for other texts. */
function versionOf(path: string): string[] {
  const [, version = '', file, ...rest] = path.split('/');
  return file === 'lastcall.yaml' && rest.length === 0 ? [version] : [];
}

async function manifestTarget(catalog: SignedCatalog, product: string, version: string): Promise<TargetMeta> {
  if (catalog.isWithdrawn(`${product}/${version}`)) {
    const message = `${product} ${version} was withdrawn by who publishes it, and is not taken; choose another version`;
    throw new StepFailure('RELEASE_WITHDRAWN', message, { product, version });
  }
  const target = await catalog.find(`${product}/${version}/lastcall.yaml`);
  if (target) return target;
  const message = `the catalog has no published release ${product} ${version}; publish it, or choose another version`;
  throw new StepFailure('RELEASE_NOT_FOUND', message, { product, version });
}

async function treeTarget(
  catalog: SignedCatalog,
  product: string,
  version: string,
  { role, platforms }: ReleaseSourceOptions,
): Promise<TargetMeta> {
  for (const platform of platforms) {
    const target = await catalog.find(`${product}/${version}/${role}-${platform}.tree.json`);
    if (target) return target;
  }
  const wanted = platforms.join(' or ');
  const message = `${product} ${version} has no artifact for the role ${role} on ${wanted}`;
  throw new StepFailure('NO_ARTIFACT', message, { product, version, role, platform: wanted });
}
