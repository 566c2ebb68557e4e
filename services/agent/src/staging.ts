import { PACKED_MAX_BYTES, type Tree, type TreeEntry } from '@lastcall/contracts';
import { DAY_MS } from '@lastcall/kernel';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { gt } from 'semver';
import type { BlobStore } from './blobs/blob-store.js';
import { downloadBlobs } from './blobs/download-blobs.js';
import type { Pace } from './blobs/byte-source.js';
import type { RateLimit } from './blobs/rate-limit.js';
import { reserveSpace } from './disk-reservation.js';
import type { Evidence } from './domain/order.js';
import { exists, forEachAtOnce, syncFolder, syncFolders } from './files.js';
import type { HostTls } from './host-tls.js';
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
  readonly tls?: HostTls | undefined;
  /** Another host that is asked for blobs first, `http://host:port`. */
  readonly peerUrl?: () => string | undefined;
  /** Asked for at the beginning of each download. */
  readonly limit: () => Promise<RateLimit>;
  readonly freeBytes: FreeBytes;
  readonly keep?: KeepPolicy;
  /** How often a download may break off without a new byte. */
  readonly attempts?: number;
  readonly pace?: Pace;
}

export interface Staging {
  fetchTexts(product: string, version: string, signal: AbortSignal): Promise<void>;
  downloadFiles(version: string, signal: AbortSignal, onBytes: OnProgress): Promise<Evidence>;
  buildTree(version: string, signal: AbortSignal): Promise<void>;
  /** Removes what was staged long ago and never installed; `wanted` are versions of open orders. Answers what went. Not beside a staging. */
  collectStale(wanted: ReadonlySet<string>, now: number): Promise<readonly string[]>;
}

export type OnProgress = (done: number, total: number) => void;

/** For folders, and for what is written beside the files. */
const SLACK_BYTES = 1024 * 1024;
/** File systems give space in blocks, and every file has a record and a name. */
const BLOCK_BYTES = 4_096;
const RECORD_BYTES = 512;
/** Blobs looked at at once: each is a handful of short waits for the disk. */
const AT_ONCE = 4;
/** Files linked before others of this process have their turn: some milliseconds. */
const PLACED_IN_A_ROW = 64;

export function createStaging(parts: StagingParts): Staging {
  return {
    fetchTexts: (product, version, signal) => fetchTexts(parts, product, version, signal),
    downloadFiles: (version, signal, onBytes) => downloadFiles(parts, version, signal, onBytes),
    buildTree: (version, signal) => buildTree(parts, version, signal),
    collectStale: (wanted, now) => collectStale(parts, wanted, now),
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
  const { blobs, layout, releases, freeBytes } = parts;
  const release = await releases.loadTexts(version);
  const fileCount = release.tree.files.length;
  const total = release.tree.totalBytes;
  if (await isComplete(parts, release, signal)) {
    return { kind: 'stage', downloadedBytes: 0, reusedBytes: total, fileCount };
  }
  await makeRoom(parts, version);
  const lacking = await findLacking(parts, release.tree.files, signal);
  const lackingBytes = lacking.reduce((sum, e) => sum + e.size, 0);
  const partialBytes = await bytesInPart(parts, lacking);
  const neededBytes = bytesOnDisk(release.tree.files, lacking) - partialBytes;
  demandFreeBytes(layout.blobs, neededBytes, freeBytes);
  const { catalogUrl, credential, tls, attempts, pace } = parts;
  const peerUrl = parts.peerUrl?.();
  const from = { catalogUrl: catalogUrl(), credential, tls, limit: await parts.limit(), ...(peerUrl && { peerUrl }) };
  const reservation = await reserveSpace(layout, neededBytes, freeBytes);
  let arrived = partialBytes;
  let downloadedBytes = 0;
  const onBytes = (bytes: number): void => {
    arrived += bytes;
    downloadedBytes += Math.max(bytes, 0);
    reservation.left(lackingBytes - arrived);
    onProgress(arrived, lackingBytes);
  };
  const how = { ...(attempts && { attempts }), ...(pace && { pace }) };
  const what = { treeSha256: release.treeSha256, files: release.tree.files };
  try {
    await downloadBlobs(lacking, { blobs, ...from, ...how, ...what, signal, onBytes });
  } finally {
    reservation.release();
  }
  return { kind: 'stage', downloadedBytes, reusedBytes: total - lackingBytes, fileCount };
}

async function findLacking(
  { blobs }: StagingParts,
  files: readonly TreeEntry[],
  signal: AbortSignal,
): Promise<TreeEntry[]> {
  const lacking: TreeEntry[] = [];
  await forEachAtOnce(distinct(files), AT_ONCE, async (entry) => {
    throwIfStopping(signal);
    if (!(await blobs.has(entry, signal))) lacking.push(entry);
  });
  return lacking;
}

/** What arrived of them before. Small ones come as a whole or not at all. */
async function bytesInPart({ blobs }: StagingParts, lacking: readonly TreeEntry[]): Promise<number> {
  let bytes = 0;
  for (const { size, sha256 } of lacking) if (size > PACKED_MAX_BYTES) bytes += await blobs.partialBytes(sha256);
  return bytes;
}

/** What a tree is going to take: the bytes that are lacking, the copies that one inode cannot serve, and the names of all files. */
function bytesOnDisk(files: readonly TreeEntry[], lacking: readonly TreeEntry[]): number {
  const inBlocks = (list: readonly TreeEntry[]): number =>
    list.reduce((sum, { size }) => sum + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES, 0);
  const modes = new Map<string, number>();
  const copies = files.filter(({ sha256, mode }) => {
    const first = modes.get(sha256) ?? mode;
    modes.set(sha256, first);
    return first !== mode;
  });
  return inBlocks(lacking) + inBlocks(copies) + files.length * RECORD_BYTES + SLACK_BYTES;
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
async function makeRoom(parts: StagingParts, version: string): Promise<void> {
  await keepOnly(parts, await versionsToKeep(parts.releases, version, parts.keep ?? KEEP_BY_DEFAULT));
}

const STALE_MS = 30 * DAY_MS;

/** What is older than the installed version stays for the way back, as long as there is room. */
async function collectStale(parts: StagingParts, wanted: ReadonlySet<string>, now: number): Promise<readonly string[]> {
  const { layout, releases } = parts;
  const installed = await releases.installedVersion();
  const kept = new Set([...wanted, installed, await releases.previousVersion()]);
  const stale: string[] = [];
  for (const name of await readdir(layout.releases)) {
    // The folder of the texts is touched by every staging.
    const { mtimeMs } = await stat(join(layout.releases, name));
    const isOver = mtimeMs < now - STALE_MS && (installed === '' || gt(name, installed));
    if (isOver && !kept.has(name)) stale.push(name);
    else kept.add(name);
  }
  if (stale.length > 0) await keepOnly(parts, kept);
  return stale;
}

async function keepOnly({ releases, blobs }: StagingParts, kept: ReadonlySet<string>): Promise<void> {
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
  for (const folder of new Set(tree.files.map(({ path }) => dirname(path)))) {
    throwIfStopping(signal);
    await mkdir(join(building, folder), { recursive: true });
  }
  // Files of the same bytes follow each other: the first one settles the mode of the blob, and the others look at it.
  let placed = 0;
  for (const same of Map.groupBy(tree.files, ({ sha256 }) => sha256).values()) {
    throwIfStopping(signal);
    for (const entry of same) await blobs.place(entry, join(building, entry.path));
    if (++placed % PLACED_IN_A_ROW === 0) await nextTurn();
  }
  await blobs.sync();
  await syncFolders(building);
}
