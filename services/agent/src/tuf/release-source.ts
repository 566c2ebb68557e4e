import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Updater, type TargetFile } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { writeFileDurably } from '../files.js';
import type { Layout } from '../layout.js';
import { messageOf } from '../log.js';
import { Interrupted, StepFailure } from '../step-failure.js';
import { checkMetadata, MetadataFetcher } from './metadata-fetcher.js';
import { signedVersions } from './signed-versions.js';

/*
 * The signed catalog as this host sees it. Owns that nothing unsigned passes: both texts of a release come through the chain of
 * signatures from the root that was pinned when the host joined. The updater works on a copy of the trusted metadata; what it has
 * verified replaces the originals file by file, so that a crash leaves each of them whole.
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
  /** All signed versions of a product, without asking anybody which is the newest. */
  listVersions(product: string, signal: AbortSignal): Promise<readonly string[]>;
}

export interface ReleaseSourceOptions {
  readonly layout: Layout;
  readonly catalogUrl: () => string;
  readonly credential: () => string;
  readonly role: string;
  /** Most wanted first. */
  readonly platforms: readonly string[];
  readonly attempts?: number;
}

export const OWN_PLATFORMS: readonly string[] = [`${process.platform}-${process.arch}`, 'any'];

/** Pins the root that a host trusts from now on, and forgets what it trusted before. */
export function pinRoot(layout: Layout, root: Uint8Array): void {
  checkMetadata(root);
  rmSync(layout.tuf, { recursive: true, force: true });
  mkdirSync(layout.tuf, { recursive: true });
  writeFileDurably(join(layout.tuf, 'root.json'), root);
}

export function createReleaseSource(options: ReleaseSourceOptions): ReleaseSource {
  return {
    fetchManifest: (product, version, signal) =>
      withUpdater(options, signal, async (updater) => {
        return download(updater, await manifestTarget(updater, product, version), options.layout.scratch);
      }),
    listVersions: (product, signal) =>
      withUpdater(options, signal, (updater, metadataDir) => {
        const loader = updater as unknown as LoadsRoles;
        return signedVersions(async (role, delegator) => {
          await loader.loadTargets(role, delegator);
          return readFileOrNone(join(metadataDir, `${encodeURIComponent(role)}.json`));
        }, product);
      }),
    fetchRelease: (product, version, signal) =>
      withUpdater(options, signal, async (updater) => {
        const manifest = await manifestTarget(updater, product, version);
        const tree = await treeTarget(updater, product, version, options);
        return {
          manifest: await download(updater, manifest, options.layout.scratch),
          tree: await download(updater, tree, options.layout.scratch),
        };
      }),
  };
}

/** What the library has, and does not show: a role is verified before it is written down. */
interface LoadsRoles {
  loadTargets(role: string, delegator: string): Promise<unknown>;
}

async function withUpdater<T>(
  options: ReleaseSourceOptions,
  signal: AbortSignal,
  work: (updater: Updater, metadataDir: string) => Promise<T>,
): Promise<T> {
  const { layout, credential, attempts } = options;
  const metadataDir = await mkdtemp(join(layout.scratch, 'tuf-'));
  const fetcher = new MetadataFetcher({ credential, signal, scratch: layout.scratch, ...(attempts && { attempts }) });
  try {
    cpSync(layout.tuf, metadataDir, { recursive: true });
    const base = `${options.catalogUrl()}/tuf`;
    const updater = new Updater({ metadataDir, metadataBaseUrl: base, targetBaseUrl: `${base}/targets`, fetcher });
    try {
      await updater.refresh();
      return await work(updater, metadataDir);
    } finally {
      // Whatever the updater has written there it has verified, also when a later file was refused.
      keepTrusted(metadataDir, layout.tuf);
    }
  } catch (error) {
    if (signal.aborted) throw new Interrupted();
    throw toFailure(error, fetcher, options.catalogUrl());
  } finally {
    await rm(metadataDir, { recursive: true, force: true });
  }
}

function keepTrusted(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    const bytes = readFileSync(join(from, name));
    const before = readFileOrNone(join(to, name));
    if (!before?.equals(bytes)) writeFileDurably(join(to, name), bytes);
  }
}

function readFileOrNone(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // Seen for the first time.
  }
}

async function manifestTarget(updater: Updater, product: string, version: string): Promise<TargetFile> {
  const target = await updater.getTargetInfo(`${product}/${version}/lastcall.yaml`);
  if (target) return target;
  const message = `the catalog has no published release ${product} ${version}; publish it, or choose another version`;
  throw new StepFailure('RELEASE_NOT_FOUND', message, { product, version });
}

async function treeTarget(
  updater: Updater,
  product: string,
  version: string,
  { role, platforms }: ReleaseSourceOptions,
): Promise<TargetFile> {
  for (const platform of platforms) {
    const target = await updater.getTargetInfo(`${product}/${version}/${role}-${platform}.tree.json`);
    if (target) return target;
  }
  const wanted = platforms.join(' or ');
  const message = `${product} ${version} has no artifact for the role ${role} on ${wanted}`;
  throw new StepFailure('NO_ARTIFACT', message, { product, version, role, platform: wanted });
}

async function download(updater: Updater, target: TargetFile, scratch: string): Promise<Buffer> {
  const dir = await mkdtemp(join(scratch, 'signed-'));
  try {
    return await readFile(await updater.downloadTarget(target, join(dir, 'target')));
  } catch (error) {
    if (!(error instanceof DownloadHTTPError) || ![403, 404].includes(error.statusCode)) throw error;
    const message = `${target.path} is signed and not served; let the mirror or the catalog serve all of it`;
    throw new StepFailure('METADATA_NOT_FOUND', message, { file: target.path }, { cause: error });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function toFailure(error: unknown, fetcher: MetadataFetcher, url: string): unknown {
  const why = messageOf(error);
  if (error instanceof StepFailure || isDiskError(error)) return error;
  if (fetcher.unreachable !== undefined) {
    const message = `the catalog at ${url} cannot be reached: ${fetcher.unreachable}`;
    return new StepFailure('CATALOG_NOT_REACHABLE', message, { url }, { cause: error });
  }
  const message = `the signed metadata of the catalog is not accepted, so nothing was used: ${why}`;
  return new StepFailure('RELEASE_NOT_TRUSTED', message, { url, why }, { cause: error });
}

function isDiskError(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '');
}
