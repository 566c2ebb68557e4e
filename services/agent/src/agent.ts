import { hostEdgeV1 } from '@lastcall/contracts';
import { createClient, type Channel } from '@lastcall/sdk';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createClamAvProvider } from './antivirus/clamav.js';
import { createDefenderProvider } from './antivirus/defender.js';
import type { AntivirusProvider } from './antivirus/provider.js';
import { createBackups, type Backups } from './backups.js';
import { openBlobStore } from './blobs/blob-store.js';
import { createRateLimit, type RateLimit } from './blobs/rate-limit.js';
import { createOldProcesses } from './commands/old-processes.js';
import { createReleaseCommands } from './commands/release-commands.js';
import { createOrderBook, type OrderEvent, type OrderState } from './domain/order-book.js';
import { isLocal, type LeftOver, type OnLocalStep, type Step } from './domain/order.js';
import { openHostChannel } from './host-channel.js';
import { createHostUpdates } from './local/host-updates.js';
import { createLocalDoor } from './local/local-door.js';
import { createHostLink, type HostLink } from './host-link.js';
import { hasServices, readHostRecord, writeHostRecord, type HostRecord } from './host-record.js';
import { createCredential, readIdentity } from './identity.js';
import { openJournal, type Journal } from './journal.js';
import { layoutOf, makeFolders, type Layout } from './layout.js';
import { lock, type Lock } from './lock.js';
import { messageOf, type Log } from './log.js';
import { trimLogs } from './logs.js';
import { createOrderRunner, type OrderRunner } from './order-runner.js';
import type { KeepPolicy } from './retention.js';
import { parseAddress } from './peer/address.js';
import { startPeerServer, type PeerServer } from './peer/serve.js';
import { demandCommandUser } from './platform/command-user.js';
import { createPlatform } from './platform/platform.js';
import type { Platform } from './platform/port.js';
import { createProgramFolder } from './program/program-folder.js';
import { endProbation } from './program/probation.js';
import { createProgramSteps, type Following } from './program/program-steps.js';
import { createReleases, type Releases } from './releases.js';
import { createStaging, type Staging } from './staging.js';
import { statFreeBytes, type FreeBytes } from './step-failure.js';
import { createSteps } from './steps.js';
import { createReleaseSource, OWN_PLATFORMS, type ReleaseSource } from './tuf/release-source.js';
import { AGENT_VERSION } from './version.js';
import { askForHours, rateAt } from './working-hours.js';
import { orderFromWire, resultToWire } from './wire.js';

/*
 * The agent of one host put together: journal, runner, link. Owns the order in which they start and stop, and what goes up the stream.
 */

export interface AgentOptions {
  readonly dataDir: string;
  readonly log: Log;
  readonly freeBytes?: FreeBytes;
  readonly antivirus?: readonly AntivirusProvider[];
  readonly heartbeatMs?: number;
  /** What stays on the host besides what it needs. Default 3 versions, 20 GiB. */
  readonly keep?: KeepPolicy;
  /** What may lie here for other hosts, where this one serves them. Default 20 GiB. */
  readonly serveMaxBytes?: number;
  /** Hears of the steps of local orders, and of each piece that arrives; a single seat shows them. */
  readonly onLocalStep?: OnLocalStep;
  /** Where another agent can be started in the place of this one; without it, orders for that fail. */
  readonly following?: Following;
  /** This agent is to take over: called when the edge has accepted it. It begins no order and takes none in. */
  readonly onAccepted?: () => Promise<void>;
}

export interface Agent {
  readonly record: HostRecord;
  readonly runner: OrderRunner;
  readonly journal: Journal;
  readonly releases: Releases;
  readonly source: ReleaseSource;
  readonly backups: Backups;
  /** Connects, where there are services, and works until it is stopped. */
  start(): void;
  stop(): Promise<void>;
  /** Rejects when the agent cannot go on, because its journal cannot be written for example. */
  readonly failed: Promise<never>;
}

const PROGRESS_EVERY_MS = 500;
const SEAT_ATTEMPTS = 3;
const SERVE_MAX_BYTES = 20 * 2 ** 30;

/** Opens the data folder; nobody else can meanwhile. */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const layout = layoutOf(options.dataDir);
  const record = readHostRecord(layout);
  demandCommandUser();
  makeFolders(layout);
  const held = lock(layout);
  try {
    return await assemble(options, layout, record, held);
  } catch (error) {
    held.release();
    throw error;
  }
}

async function assemble(options: AgentOptions, layout: Layout, record: HostRecord, held: Lock): Promise<Agent> {
  clearScratch(layout);
  const { log } = options;
  const catalog = rememberedCatalog(layout, record);
  const services = hasServices(record);
  const credential = services
    ? createCredential(readIdentity(layout.identity), record.installation, record.host)
    : () => '';
  const channel = services ? openHostChannel(record, credential) : undefined;
  const journal = openJournal(layout.journal, createOrderBook(record));
  const platform = createPlatform();
  const releases = createReleases(layout, record.product, platform);
  await releases.settle();
  const limit = downloadLimit(record, channel, log);
  const connected = Promise.withResolvers<void>();
  const serving: StepNeeds['serving'] = {};
  const needs: StepNeeds = {
    ...{ layout, record, releases, platform, catalogUrl: catalog.url, credential, limit, serving },
    connected: connected.promise,
  };
  const { steps, source, staging, backups } = await assembleSteps(options, needs);
  if (!options.onAccepted) {
    await collectStale(staging, journal, log);
    serving.server = await serveOthers(options, needs);
  }
  const link: { current?: HostLink | undefined } = {};
  const updates =
    channel &&
    createHostUpdates({
      record,
      client: createClient(hostEdgeV1.HostEdgeServiceService, channel),
      book: () => journal.book,
      installedVersion: () => releases.installedVersion(),
    });
  const door = updates && createLocalDoor({ layout, updates, log });
  const sayProgress = throttled((message) => link.current?.send(message), options.onLocalStep);
  const runner = createOrderRunner({
    ...{ layout, record, journal, releases, steps, log },
    onEvent: (event) => {
      if (event.type === 'step-begun' && isLocal(event.order)) options.onLocalStep?.(event.step, 0, 0);
      report(event, (message) => link.current?.send(message));
      updates?.onEvent(event);
    },
    onProgress: (order, step, done, total) => {
      sayProgress(order, step, done, total);
      updates?.onProgress(done, total);
    },
  });
  const { heartbeatMs } = options;
  link.current =
    channel &&
    createHostLink({
      ...{ channel, log, ...(heartbeatMs && { heartbeatMs }) },
      hello: async () => hello(await releases.installedVersion(), journal.book.fence),
      onWelcome: () => openOrders(journal).map(answerTo),
      onPulse: () => {
        trimLogs(layout.logs);
        return openOrders(journal)
          .filter((state) => state.phase === 'finished')
          .map(answerTo);
      },
      onMessage: async (message) => {
        if (options.onAccepted) return takeOverAt(message, options.onAccepted);
        if (message.$case === 'welcome') {
          connected.resolve();
          if (!isBeingUpdated(journal)) endProbation(layout.program);
        }
        await onMessage(message, runner, catalog.change);
        const state = message.$case === 'order' ? journal.book.orders.get(message.value.order) : undefined;
        if (state) link.current?.send(answerTo(state));
      },
    });
  const { current } = link;
  return {
    ...{ record, runner, journal, releases, source, backups, failed: runner.failed },
    start: () => {
      current?.start();
      if (options.onAccepted) return;
      runner.start();
      door?.start();
    },
    stop: async () => {
      updates?.stop();
      await door?.stop();
      await end(runner, current, { channel, journal, held, peerServer: serving.server });
    },
  };
}

async function takeOverAt({ $case }: Down, onAccepted: () => Promise<void>): Promise<void> {
  if ($case === 'welcome') await onAccepted();
}

async function end(
  runner: OrderRunner,
  link: HostLink | undefined,
  open: { channel: Channel | undefined; journal: Journal; held: Lock; peerServer: PeerServer | undefined },
): Promise<void> {
  await Promise.all([runner.stop(), link?.stop()]);
  await open.peerServer?.stop();
  open.channel?.close();
  open.journal.close();
  open.held.release();
}

/** What a killed agent was in the middle of writing. */
function clearScratch(layout: Layout): void {
  for (const name of readdirSync(layout.scratch)) rmSync(join(layout.scratch, name), { recursive: true, force: true });
}

/** The catalog may move; where it was last is known without a connection. */
function rememberedCatalog(layout: Layout, record: HostRecord) {
  let url = record.catalogUrl;
  return {
    url: () => url,
    change: (said: string): void => {
      const next = said.replace(/\/+$/, '');
      if (next === '' || next === url) return;
      url = next;
      writeHostRecord(layout, { ...record, catalogUrl: next });
    },
  };
}

/** The hours are asked for only where they matter. */
function downloadLimit(record: HostRecord, channel: Channel | undefined, log: Log): () => Promise<RateLimit> {
  return async () => {
    const asks = channel && record.maxRateInHours !== undefined;
    const hours = asks ? await askForHours(channel, record, log) : undefined;
    return createRateLimit(rateAt(record, hours));
  };
}

interface StepNeeds {
  readonly layout: Layout;
  readonly record: HostRecord;
  readonly releases: Releases;
  readonly platform: Platform;
  readonly catalogUrl: () => string;
  readonly credential: () => string;
  readonly limit: () => Promise<RateLimit>;
  /** Set while this host serves others. */
  readonly serving: { server?: PeerServer | undefined };
  readonly connected: Promise<void>;
}

async function assembleSteps(
  options: AgentOptions,
  { layout, record, releases, platform, catalogUrl, credential, limit, serving, connected }: StepNeeds,
) {
  const freeBytes = options.freeBytes ?? statFreeBytes;
  const keep = options.keep && { keep: options.keep };
  const { role } = record;
  // Somebody sits before a seat and waits for the answer.
  const patience = hasServices(record) ? {} : { attempts: SEAT_ATTEMPTS };
  const source = createReleaseSource({
    ...{ layout, catalogUrl, credential, role, platforms: OWN_PLATFORMS },
    ...patience,
  });
  const blobs = await openBlobStore(layout.blobs);
  const backups = createBackups(layout);
  // Who serves others asks himself first: what he needs crosses the line once as well.
  const peerUrl = (): string | undefined => serving.server?.url ?? record.peer;
  const download = { source, catalogUrl, credential, peerUrl, limit, freeBytes };
  const staging = createStaging({ ...download, layout, releases, blobs, ...keep });
  const folder = createProgramFolder(layout, download);
  const steps = createSteps({
    ...{ layout, record, releases, source, freeBytes, staging, backups },
    program: createProgramSteps({ layout, folder, connected, following: options.following }),
    antivirus: options.antivirus ?? [createDefenderProvider(), createClamAvProvider()],
    commands: createReleaseCommands(layout, record, options.log),
    oldProcesses: createOldProcesses({ versionsDir: layout.versions, platform }),
  });
  return { steps, source, staging, backups };
}

/** A host that cannot serve still does its own work. */
async function serveOthers(options: AgentOptions, needs: StepNeeds): Promise<PeerServer | undefined> {
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
async function collectStale(staging: Staging, journal: Journal, log: Log): Promise<void> {
  const open = [...journal.book.orders.values()].filter(({ phase }) => phase !== 'finished');
  const wanted = new Set(open.flatMap(({ order }) => ('version' in order.action ? [order.action.version] : [])));
  try {
    const removed = await staging.collectStale(wanted, Date.now());
    if (removed.length > 0) log.info('stale stages removed', { versions: removed });
  } catch (error) {
    log.warn('stale stages could not be removed', { message: messageOf(error) });
  }
}

function hello(installedVersion: string, fence: number): hostEdgeV1.AgentHello {
  return { agentVersion: AGENT_VERSION, platform: `${process.platform}-${process.arch}`, installedVersion, fence };
}

type Up = NonNullable<hostEdgeV1.ConnectRequest['message']>;
type Down = NonNullable<hostEdgeV1.ConnectResponse['message']>;
type Send = (message: Up) => void;

async function onMessage(message: Down, runner: OrderRunner, onCatalog: (url: string) => void): Promise<void> {
  switch (message.$case) {
    case 'welcome':
      return onCatalog(message.value.catalogUrl);
    case 'order':
      return runner.receive(orderFromWire(message.value));
    case 'resultStored':
      return runner.confirm(message.value.order);
    case 'heartbeat':
      return undefined;
  }
}

/** The order that made this agent take over ends its probation, unless its time was up before that. */
function isBeingUpdated({ book }: Journal): boolean {
  return [...book.orders.values()].some(
    ({ phase, order }) => phase !== 'finished' && order.action.kind === 'update-agent',
  );
}

function openOrders({ book }: Journal): OrderState[] {
  return [...book.orders.values()].filter(
    (state) => !isLocal(state.order.order) && (state.phase !== 'finished' || !state.stored),
  );
}

/** An order that is not finished was accepted; one that is has its recorded result, whoever asks again. */
function answerTo(state: OrderState): Up {
  const { order } = state.order;
  if (state.phase !== 'finished') return { $case: 'accepted', value: { order } };
  return { $case: 'result', value: { order, result: resultToWire(state.result) } };
}

function report(event: OrderEvent, send: Send): void {
  if (typeof event.order !== 'string' || isLocal(event.order)) return;
  if (event.type === 'step-begun') send(progress(event.order, event.step, 0, 0));
  if (event.type === 'step-ended' && event.leftOvers) send(cleared(event.order, event.leftOvers));
  if (event.type !== 'finished') return;
  send({ $case: 'result', value: { order: event.order, result: resultToWire(event.result) } });
}

/** For the report of the run: the next version may have stopped too little as well. */
function cleared(order: string, leftOvers: readonly LeftOver[]): Up {
  const count = BigInt(leftOvers.length);
  const names = leftOvers.map(({ pid, command, ended }) => `${pid} ${lastOf(command)} (${ended})`).join(', ');
  const note = `processes that the stop command had left running were ended: ${names}`.slice(0, 1_000);
  return { $case: 'progress', value: { order, progress: { step: 'cleared', done: count, total: count, note } } };
}

const SHOWN_CHARS = 80;

/** The end of a command line says most. */
function lastOf(command: string): string {
  return command.length > SHOWN_CHARS ? `…${command.slice(1 - SHOWN_CHARS)}` : command;
}

function progress(order: string, step: string, done: number, total: number): Up {
  return {
    $case: 'progress',
    value: { order, progress: { step, done: BigInt(Math.max(done, 0)), total: BigInt(total), note: '' } },
  };
}

/** Bytes arrive by the thousands; the last one of a step is always told. */
function throttled(send: Send, onLocalStep: OnLocalStep | undefined) {
  let last = 0;
  return (order: string, step: Step, done: number, total: number): void => {
    if (isLocal(order)) return onLocalStep?.(step, done, total);
    if (done < total && Date.now() - last < PROGRESS_EVERY_MS) return;
    last = Date.now();
    send(progress(order, step, done, total));
  };
}
