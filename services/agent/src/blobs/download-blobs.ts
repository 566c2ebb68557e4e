import type { TreeEntry } from '@lastcall/contracts';
import { backoffMs } from '@lastcall/kernel';
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { forEachAtOnce, syncFolder } from '../files.js';
import { messageOf } from '../log.js';
import { Interrupted, StepFailure } from '../step-failure.js';
import { bodyOf, get } from '../tuf/metadata-fetcher.js';
import type { BlobStore } from './blob-store.js';

/*
 * Fetches blobs, several at once. What has arrived stays on the disk, so a download that breaks off continues where it was (`Range`), in this
 * attempt, after a restart, or in the next run. Bytes are hashed while they are written; a blob that is not what was signed is refused.
 */

export interface DownloadOptions {
  readonly blobs: BlobStore;
  readonly catalogUrl: string;
  readonly credential: () => string;
  readonly signal: AbortSignal;
  /** Called with the bytes that have just arrived; negative when some are thrown away. */
  readonly onBytes: (bytes: number) => void;
  /** How often without a single new byte before it gives up. */
  readonly attempts?: number;
}

const AT_ONCE = 6;
const ATTEMPTS = 6;
const STALLED_MS = 30_000;

/** Fetches all of them. Throws a StepFailure that names the first that could not be had. */
export async function downloadBlobs(entries: readonly TreeEntry[], options: DownloadOptions): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  try {
    await forEachAtOnce(entries, AT_ONCE, (entry) =>
      downloadBlob(entry, { ...options, signal }).catch((error: unknown) => {
        // An error of ours must not be hidden by the others' reaction to the stop.
        if (!signal.aborted) stop.abort(error);
        throw error;
      }),
    );
  } catch (error) {
    if (options.signal.aborted) throw new Interrupted();
    throw stop.signal.aborted ? stop.signal.reason : error;
  }
}

async function downloadBlob(entry: TreeEntry, options: DownloadOptions): Promise<void> {
  let fruitless = 0;
  let startedOver = false;
  for (;;) {
    const before = await options.blobs.partialBytes(entry.sha256);
    const why = await fetchRest(entry, options).catch((error: unknown) => failedAttempt(error, options));
    if (why === undefined) return;
    if (why === 'changed') {
      // Once more from the beginning: a proxy may have mixed two answers. Twice is a blob that was changed.
      if (startedOver) throw changed(entry);
      startedOver = true;
      continue;
    }
    fruitless = (await options.blobs.partialBytes(entry.sha256)) > before ? 0 : fruitless + 1;
    if (fruitless >= (options.attempts ?? ATTEMPTS)) throw incomplete(entry, why);
    await delay(backoffMs(fruitless, 0.5 + Math.random() / 2, 200, 5_000), undefined, { signal: options.signal });
  }
}

/** What a failed attempt means: text for "try again", or it is thrown. */
function failedAttempt(error: unknown, { signal }: DownloadOptions): string {
  if (signal.aborted) throw error;
  const { code } = error as NodeJS.ErrnoException;
  if (['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS'].includes(code ?? '')) throw error;
  if (error instanceof DownloadHTTPError && [403, 404].includes(error.statusCode)) {
    throw new StepFailure('BLOB_NOT_FOUND', `${messageOf(error)}: a file of the release is not in the catalog`);
  }
  return messageOf(error);
}

/** One attempt. Undefined: it is there; `changed`: the bytes are wrong and were removed; otherwise why it broke off. */
async function fetchRest(entry: TreeEntry, options: DownloadOptions): Promise<string | undefined> {
  const path = options.blobs.partialPathOf(entry.sha256);
  const hash = createHash('sha256');
  const handle = await open(path, 'a');
  let bytes: number;
  try {
    bytes = await hashPartial(path, hash, options.signal);
    if (bytes < entry.size || entry.size === 0) bytes = await append(entry, handle, hash, bytes, options);
    if (bytes < entry.size) return `${bytes} of ${entry.size} bytes arrived`;
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (bytes === entry.size && hash.digest('hex') === entry.sha256) {
    const final = options.blobs.pathOf(entry.sha256);
    await mkdir(dirname(final), { recursive: true });
    await rename(path, final);
    syncFolder(dirname(final));
    return undefined;
  }
  await rm(path, { force: true });
  options.onBytes(-bytes);
  return 'changed';
}

async function hashPartial(path: string, hash: Hash, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024, signal })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).byteLength;
  }
  return bytes;
}

/** Appends what is missing; answers the length afterwards. A server that does not know ranges makes it begin anew. */
async function append(
  entry: TreeEntry,
  handle: FileHandle,
  hash: Hash,
  have: number,
  options: DownloadOptions,
): Promise<number> {
  const stalled = new AbortController();
  const watch = setTimeout(() => stalled.abort(new Error(`nothing arrived for ${STALLED_MS / 1000} s`)), STALLED_MS);
  const signal = AbortSignal.any([options.signal, stalled.signal]);
  try {
    const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
    const url = `${options.catalogUrl}/blobs/${entry.sha256}`;
    const response = await get(
      url,
      { credential: options.credential, signal, attempts: 1, timeoutMs: 3_600_000 },
      headers,
    );
    if (have > 0 && response.status !== 206) {
      await response.body?.cancel();
      await handle.truncate(0);
      options.onBytes(-have);
      throw new Error('the server does not continue downloads; it is begun anew');
    }
    let bytes = have;
    for await (const chunk of bodyOf(response)) {
      watch.refresh();
      bytes += chunk.byteLength;
      if (bytes > entry.size) return bytes;
      hash.update(chunk);
      await handle.write(chunk);
      options.onBytes(chunk.byteLength);
    }
    return bytes;
  } finally {
    clearTimeout(watch);
  }
}

function changed(entry: TreeEntry): StepFailure {
  const message = `${entry.path} is not the file that was signed; it was refused. Publish the release again`;
  return new StepFailure('BLOB_CHANGED', message, { path: entry.path, sha256: entry.sha256 });
}

function incomplete(entry: TreeEntry, why: string): StepFailure {
  const message = `${entry.path} could not be downloaded: ${why}. What arrived is kept; the next attempt continues`;
  return new StepFailure('DOWNLOAD_INCOMPLETE', message, { path: entry.path, size: String(entry.size), why });
}
