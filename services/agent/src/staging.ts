import type { Tree, TreeEntry } from '@lastcall/contracts';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobStore } from './blobs/blob-store.js';
import { downloadBlobs } from './blobs/download-blobs.js';
import type { Evidence } from './domain/order.js';
import { exists, syncFolder, syncFolders } from './files.js';
import type { Layout } from './layout.js';
import { KEEP_BY_DEFAULT, versionsToKeep, type KeepPolicy } from './retention.js';
import { parseRelease, type Release, type Releases } from './releases.js';
import { demandFreeBytes, StepFailure, throwIfStopping, type FreeBytes } from './step-failure.js';
import type { ReleaseSource } from './tuf/release-source.js';

/*
 * Staging: from a signed name to a verified folder beside the current version, without disturbing anybody. Three steps that can each be
 * repeated: the signed texts, the bytes that are lacking, the folder. The folder appears by one rename when it is complete.
 */

export interface StagingParts {
  readonly layout: Layout;
  readonly source: ReleaseSource;
  readonly releases: Releases;
  readonly blobs: BlobStore;
  readonly catalogUrl: () => string;
  readonly credential: () => string;
  readonly freeBytes: FreeBytes;
  readonly keep?: KeepPolicy;
  /** How often a download may break off without a new byte. */
  readonly attempts?: number;
}

export interface Staging {
  fetchTexts(product: string, version: string, signal: AbortSignal): Promise<void>;
  downloadFiles(version: string, signal: AbortSignal, onBytes: OnProgress): Promise<Evidence>;
  buildTree(version: string, signal: AbortSignal): Promise<void>;
}

export type OnProgress = (done: number, total: number) => void;

/** For folders and file system records. */
const SLACK_BYTES = 1024 * 1024;

export function createStaging(parts: StagingParts): Staging {
  return {
    fetchTexts: (product, version, signal) => fetchTexts(parts, product, version, signal),
    downloadFiles: (version, signal, onBytes) => downloadFiles(parts, version, signal, onBytes),
    buildTree: (version, signal) => buildTree(parts, version, signal),
  };
}

async function fetchTexts(parts: StagingParts, product: string, version: string, signal: AbortSignal): Promise<void> {
  const { releases, source } = parts;
  const texts = await source.fetchRelease(product, version, signal);
  const release = parseRelease(texts, product, version);
  if (await releases.isStaged(version)) {
    const staged = await releases.load(version);
    const isSame = staged.treeSha256 === release.treeSha256;
    if (!isSame && (await releases.installedVersion()) === version) throw replaced(version);
    if (!isSame) await rm(releases.treeOf(version), { recursive: true, force: true });
  }
  await releases.keepTexts(version, texts);
}

function replaced(version: string): StepFailure {
  const message = `version ${version} is installed and the catalog now has other files under this version; publish a new version`;
  return new StepFailure('RELEASE_REPLACED', message, { version });
}

async function downloadFiles(
  parts: StagingParts,
  version: string,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<Evidence> {
  const { blobs, releases } = parts;
  const release = await releases.loadTexts(version);
  const fileCount = release.tree.files.length;
  const total = release.tree.totalBytes;
  if (await isComplete(parts, release, signal)) {
    return { kind: 'stage', downloadedBytes: 0, reusedBytes: total, fileCount };
  }
  await makeRoom(parts, version);
  const lacking: TreeEntry[] = [];
  for (const entry of distinct(release.tree.files)) {
    throwIfStopping(signal);
    if (!(await blobs.has(entry, signal))) lacking.push(entry);
  }
  const lackingBytes = lacking.reduce((sum, e) => sum + e.size, 0);
  const partialBytes = await sum(lacking, (e) => blobs.partialBytes(e.sha256));
  demandFreeBytes(parts.layout.blobs, lackingBytes - partialBytes + SLACK_BYTES, parts.freeBytes);
  let arrived = partialBytes;
  let downloadedBytes = 0;
  const onBytes = (bytes: number): void => {
    arrived += bytes;
    downloadedBytes += Math.max(bytes, 0);
    onProgress(arrived, lackingBytes);
  };
  const { catalogUrl, credential, attempts } = parts;
  const from = { catalogUrl: catalogUrl(), credential, ...(attempts && { attempts }) };
  await downloadBlobs(lacking, { blobs, ...from, signal, onBytes });
  return { kind: 'stage', downloadedBytes, reusedBytes: total - lackingBytes, fileCount };
}

async function sum<T>(items: readonly T[], bytesOf: (item: T) => Promise<number>): Promise<number> {
  let bytes = 0;
  for (const item of items) bytes += await bytesOf(item);
  return bytes;
}

function distinct(files: readonly TreeEntry[]): TreeEntry[] {
  return [...new Map(files.map((file) => [file.sha256, file])).values()];
}

async function isComplete({ releases }: StagingParts, release: Release, signal: AbortSignal): Promise<boolean> {
  if (!(await releases.isStaged(release.version))) return false;
  const isCurrent = (await releases.installedVersion()) === release.version;
  if ((await releases.findChanges(release, !isCurrent, signal)).length === 0) return true;
  if (isCurrent) return true; // It cannot be replaced under a running application; installing it again verifies it.
  await rm(releases.treeOf(release.version), { recursive: true, force: true });
  return false;
}

/** Before something new comes, what nobody can go back to any more goes. */
async function makeRoom({ releases, blobs, keep = KEEP_BY_DEFAULT }: StagingParts, version: string): Promise<void> {
  const kept = await versionsToKeep(releases, version, keep);
  await releases.keepOnly(kept);
  const needed = new Set<string>();
  for (const name of kept) {
    if (name === '') continue;
    const release = await releases.loadTexts(name).catch(() => undefined);
    if (!release) return; // Not known what it needs: nothing is removed.
    for (const file of release.tree.files) needed.add(file.sha256);
  }
  await blobs.prune(needed);
}

async function buildTree(parts: StagingParts, version: string, signal: AbortSignal): Promise<void> {
  const { layout, releases } = parts;
  if (await exists(releases.treeOf(version))) return;
  const { tree } = await releases.loadTexts(version);
  const building = join(layout.scratch, `building-${version}`);
  await rm(building, { recursive: true, force: true });
  try {
    await placeFiles(parts, tree, building, signal);
    await rename(building, releases.treeOf(version));
  } catch (error) {
    // On a full disk a half-built tree would be in the way of everything else.
    await rm(building, { recursive: true, force: true });
    throw error;
  }
  syncFolder(layout.versions);
}

async function placeFiles({ blobs }: StagingParts, tree: Tree, building: string, signal: AbortSignal): Promise<void> {
  await mkdir(building, { recursive: true, mode: 0o755 });
  const folders = new Set<string>();
  for (const entry of tree.files) {
    throwIfStopping(signal);
    const path = join(building, entry.path);
    const folder = dirname(path);
    if (!folders.has(folder)) await mkdir(folder, { recursive: true });
    folders.add(folder);
    await blobs.place(entry, path);
  }
  await syncFolders(building);
}
