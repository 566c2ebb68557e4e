import type { Channel } from '@lastcall/sdk';
import { createClamAvProvider } from './antivirus/clamav.js';
import { createDefenderProvider } from './antivirus/defender.js';
import { createExecProvider } from './antivirus/exec.js';
import type { AntivirusProvider } from './antivirus/provider.js';
import { createBackups } from './backups.js';
import { openBlobStore } from './blobs/blob-store.js';
import { createRateLimit, type RateLimit } from './blobs/rate-limit.js';
import { createOldProcesses } from './commands/old-processes.js';
import { createReleaseCommands } from './commands/release-commands.js';
import { hasServices, type HostRecord } from './host-record.js';
import type { HostTls } from './host-tls.js';
import type { Journal } from './journal.js';
import type { Layout } from './layout.js';
import { messageOf, type Log } from './log.js';
import { parseAddress } from './peer/address.js';
import { startPeerServer, type PeerServer } from './peer/serve.js';
import type { Platform } from './platform/port.js';
import { createProgramFolder } from './program/program-folder.js';
import { createProgramSteps, type Following } from './program/program-steps.js';
import type { Releases } from './releases.js';
import type { KeepPolicy } from './retention.js';
import { createStaging, type Staging } from './staging.js';
import { statFreeBytes, type FreeBytes } from './step-failure.js';
import { createSteps } from './steps.js';
import { createReleaseSource, OWN_PLATFORMS } from './tuf/release-source.js';
import { askForHours, rateAt } from './working-hours.js';

/*
 * The steps of orders put together, and what they stand on: where releases come from, where blobs lie, what other hosts are given.
 */

export interface StepOptions {
  readonly log: Log;
  readonly freeBytes?: FreeBytes;
  readonly antivirus?: readonly AntivirusProvider[];
  /** What stays on the host besides what it needs. Default 3 versions, 20 GiB. */
  readonly keep?: KeepPolicy;
  /** What may lie here for other hosts, where this one serves them. Default 20 GiB. */
  readonly serveMaxBytes?: number;
  /** Where another agent can be started in the place of this one; without it, orders for that fail. */
  readonly following?: Following;
}

const SEAT_ATTEMPTS = 3;
const SERVE_MAX_BYTES = 20 * 2 ** 30;

export interface StepNeeds {
  readonly layout: Layout;
  readonly record: HostRecord;
  readonly releases: Releases;
  readonly platform: Platform;
  readonly catalogUrl: () => string;
  readonly credential: () => string;
  readonly tls: HostTls | undefined;
  readonly limit: () => Promise<RateLimit>;
  /** Set while this host serves others. */
  readonly serving: { server?: PeerServer | undefined };
  readonly connected: Promise<void>;
}

export async function assembleSteps(
  options: StepOptions,
  { layout, record, releases, platform, catalogUrl, credential, tls, limit, serving, connected }: StepNeeds,
) {
  const freeBytes = options.freeBytes ?? statFreeBytes;
  const keep = options.keep && { keep: options.keep };
  const { role } = record;
  // Somebody sits before a seat and waits for the answer.
  const patience = hasServices(record) ? {} : { attempts: SEAT_ATTEMPTS };
  const source = createReleaseSource({
    ...{ layout, catalogUrl, credential, tls, role, platforms: OWN_PLATFORMS },
    ...patience,
  });
  const blobs = await openBlobStore(layout.blobs);
  const backups = createBackups(layout, { keyFile: record.backupKeyFile, freeBytes });
  // Who serves others asks himself first: what he needs crosses the line once as well.
  const peerUrl = (): string | undefined => serving.server?.url ?? record.peer;
  const download = { source, catalogUrl, credential, tls, peerUrl, limit, freeBytes };
  const staging = createStaging({ ...download, layout, releases, blobs, ...keep });
  const folder = createProgramFolder(layout, download);
  const steps = createSteps({
    ...{ layout, record, releases, source, freeBytes, staging, backups },
    program: createProgramSteps({ layout, folder, connected, following: options.following }),
    antivirus: options.antivirus ?? [createExecProvider(layout.root), createDefenderProvider(), createClamAvProvider()],
    commands: createReleaseCommands(layout, record, options.log),
    oldProcesses: createOldProcesses({ versionsDir: layout.versions, platform }),
  });
  return { steps, source, staging, backups };
}

/** A host that cannot serve still does its own work. */
export async function serveOthers(options: StepOptions, needs: StepNeeds): Promise<PeerServer | undefined> {
  const { serve } = needs.record;
  if (serve === undefined) return undefined;
  const { log, freeBytes = statFreeBytes, serveMaxBytes: maxBytes = SERVE_MAX_BYTES } = options;
  try {
    return await startPeerServer({ ...needs, address: parseAddress('serve', serve), maxBytes, freeBytes, log });
  } catch (error) {
    log.error('other hosts are not served', { address: serve, message: messageOf(error) });
    return undefined;
  }
}

/** Before any order goes on. What cannot be removed now is removed the next time. */
export async function collectStale(staging: Staging, journal: Journal, log: Log): Promise<void> {
  const open = [...journal.book.orders.values()].filter(({ phase }) => phase !== 'finished');
  const wanted = new Set(open.flatMap(({ order }) => ('version' in order.action ? [order.action.version] : [])));
  try {
    const removed = await staging.collectStale(wanted, Date.now());
    if (removed.length > 0) log.info('stale stages removed', { versions: removed });
  } catch (error) {
    log.warn('stale stages could not be removed', { message: messageOf(error) });
  }
}

/** The hours are asked for only where they matter. */
export function downloadLimit(record: HostRecord, channel: Channel | undefined, log: Log): () => Promise<RateLimit> {
  return async () => {
    const asks = channel && record.maxRateInHours !== undefined;
    const hours = asks ? await askForHours(channel, record, log) : undefined;
    return createRateLimit(rateAt(record, hours));
  };
}
