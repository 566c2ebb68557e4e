import type { TreeEntry } from '@lastcall/contracts';
import { backoffMs, sha256Hex } from '@lastcall/kernel';
import { setTimeout as delay } from 'node:timers/promises';
import { forEachAtOnce } from '../files.js';
import { messageOf } from '../log.js';
import { openPeer, type Peer } from '../peer/peer.js';
import { Interrupted, StepFailure } from '../step-failure.js';
import type { BlobStore } from './blob-store.js';
import { fetchBlob } from './fetch-blob.js';
import { fetchRun } from './fetch-run.js';
import { TooSlowError } from './byte-source.js';
import { planDownloads, type Run } from './download-plan.js';
import { HttpStatusError, openConnections, WrongAnswerError } from './http-get.js';
import { isOurs } from './our-errors.js';
import type { DownloadOptions, Transfer } from './transfer.js';

/*
 * Fetches blobs, several at once. What has arrived stays on the disk, so a download that breaks off continues where it was, in this
 * attempt, after a restart, or in the next run. Bytes are hashed on their way; a blob that is not what was signed is refused. Where a peer is
 * known, it is asked first, once for each piece.
 */

const AT_ONCE = 6;
/** About two minutes of a line or a server that is gone. */
const ATTEMPTS = 30;
/** A server that is there and says the same each time is believed sooner: some seconds. */
const ANSWERED_ATTEMPTS = 6;
/** So much is left to the disk at once: it writes while the rest is on its way, so that little is left to wait for at the end. */
const SYNC_EVERY_BYTES = 64 * 2 ** 20;
/** A pack is only a shorter way. */
const PACK_ATTEMPTS = 2;

/** Fetches all of them; afterwards they and the blobs that were there are on the disk. Throws a StepFailure that names the first that could not be had. */
export async function downloadBlobs(lacking: readonly TreeEntry[], options: DownloadOptions): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const connections = openConnections(options.pace, options.tls);
  const { downloads, packBytes } = planDownloads(options.files, lacking);
  const syncing = createEarlySync(options.blobs);
  const onBytes = (bytes: number): void => {
    options.onBytes(bytes);
    syncing.arrived(bytes);
  };
  const transfer: Transfer = { ...options, signal, connections, packBytes, onBytes };
  const entryOf = new Map(lacking.map((entry) => [entry.sha256, entry]));
  const packs = { usable: true };
  const peer = options.peerUrl === undefined ? undefined : openPeer(options.peerUrl, transfer);
  try {
    await forEachAtOnce(downloads, AT_ONCE, async (download) => {
      try {
        if (download.kind === 'blob') await downloadBlob(download.entry, transfer, peer);
        else await downloadRun(await lackingOf(download.run, peer), entryOf, transfer, packs);
      } catch (error) {
        // An error of ours must not be hidden by the others' reaction to the stop.
        if (!signal.aborted) stop.abort(error);
        throw error;
      }
    });
    await syncing.ended();
    await options.blobs.sync();
  } catch (error) {
    if (options.signal.aborted) throw new Interrupted();
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    connections.close();
    peer?.close();
  }
}

async function lackingOf(run: Run, peer: Peer | undefined): Promise<Run> {
  return peer ? { blobs: await peer.run(run.blobs) } : run;
}

/** One at a time; what arrives meanwhile counts for the next one. */
function createEarlySync(blobs: BlobStore) {
  let unsynced = 0;
  let running: Promise<void> | undefined;
  return {
    arrived: (bytes: number): void => {
      unsynced += bytes;
      if (running || unsynced < SYNC_EVERY_BYTES) return;
      unsynced = 0;
      running = blobs.syncEarly().finally(() => (running = undefined));
    },
    ended: async (): Promise<void> => running,
  };
}

/** From the pack; what that cannot give, each by its own name. */
async function downloadRun(
  run: Run,
  entryOf: ReadonlyMap<string, TreeEntry>,
  transfer: Transfer,
  packs: { usable: boolean },
): Promise<void> {
  let left = run.blobs;
  const [first] = left;
  const attempt = async (): Promise<boolean> => {
    const outcome = await fetchRun(left, transfer, (done) => {
      left = left.slice(left.indexOf(done) + 1);
    });
    if (outcome === 'no-pack') packs.usable = false;
    return true;
  };
  const have = async (): Promise<number> => run.blobs.length - left.length;
  if (packs.usable && first) {
    const shortly = { ...transfer, attempts: PACK_ATTEMPTS };
    await keepTrying(entryOf.get(first.sha256) as TreeEntry, shortly, have, attempt).catch((error: unknown) => {
      // A blob that is lacking in the catalog breaks the pack; asked for by its name, the catalog says so.
      if (!isIncomplete(error)) throw error;
    });
  }
  for (const { sha256 } of left) await downloadBlob(entryOf.get(sha256) as TreeEntry, transfer);
}

async function downloadBlob(entry: TreeEntry, transfer: Transfer, peer?: Peer): Promise<void> {
  if (entry.size === 0) {
    if (entry.sha256 !== sha256Hex('')) throw changed(entry);
    transfer.blobs.keep(entry.sha256, new Uint8Array());
    return;
  }
  if (await peer?.blob(entry)) return;
  let startedOver = false;
  const have = (): Promise<number> => transfer.blobs.partialBytes(entry.sha256);
  await keepTrying(entry, transfer, have, async () => {
    if ((await fetchBlob(entry, transfer)) === 'complete') return true;
    // Once more from the beginning: a proxy may have mixed two answers. Twice is a blob that was changed.
    if (startedOver) throw changed(entry);
    startedOver = true;
    return false;
  });
}

/** Until the attempt says that it is done; as long as something new comes, without end. `have` is what there is so far. */
async function keepTrying(
  entry: TreeEntry,
  transfer: Transfer,
  have: () => Promise<number>,
  attempt: () => Promise<boolean>,
): Promise<void> {
  let fruitless = 0;
  // The most that there ever was: a server that always begins anew gets nowhere.
  let most = await have();
  for (;;) {
    try {
      if (await attempt()) return;
    } catch (error) {
      const why = failedAttempt(error, transfer);
      const now = await have();
      const isFruitful = !(error instanceof TooSlowError) && now > most;
      most = Math.max(most, now);
      fruitless = isFruitful ? 0 : fruitless + 1;
      if (fruitless >= Math.min(transfer.attempts ?? ATTEMPTS, isAnswered(error) ? ANSWERED_ATTEMPTS : Infinity)) {
        throw incomplete(entry, why);
      }
      await delay(backoffMs(fruitless, 0.5 + Math.random() / 2, 200, 5_000), undefined, { signal: transfer.signal });
    }
  }
}

/** What a failed attempt means: text for "try again", or it is thrown. */
function failedAttempt(error: unknown, { signal, tls }: Transfer): string {
  if (signal.aborted || error instanceof StepFailure || isOurs(error)) throw error;
  if (error instanceof HttpStatusError && [403, 404].includes(error.status)) {
    throw new StepFailure('BLOB_NOT_FOUND', `${messageOf(error)}: a file of the release is not in the catalog`);
  }
  return tls?.explain(messageOf(error)) ?? messageOf(error);
}

/** Not a matter of the line, or of a server that has to start first. */
function isAnswered(error: unknown): boolean {
  if (error instanceof WrongAnswerError) return true;
  return error instanceof HttpStatusError && error.status < 500 && ![401, 408, 429].includes(error.status);
}

function changed(entry: TreeEntry): StepFailure {
  const message = `${entry.path} is not the file that was signed; it was refused. Publish the release again`;
  return new StepFailure('BLOB_CHANGED', message, { path: entry.path, sha256: entry.sha256 });
}

function isIncomplete(error: unknown): boolean {
  return error instanceof StepFailure && error.failure.reason === INCOMPLETE;
}

const INCOMPLETE = 'DOWNLOAD_INCOMPLETE';

function incomplete(entry: TreeEntry, why: string): StepFailure {
  const message = `${entry.path} could not be downloaded: ${why}. What arrived is kept; the next attempt continues`;
  return new StepFailure(INCOMPLETE, message, { path: entry.path, size: String(entry.size), why });
}
