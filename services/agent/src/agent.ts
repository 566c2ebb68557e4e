import { hostEdgeV1 } from '@lastcall/contracts';
import { createClient, type Channel } from '@lastcall/sdk';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withBackupsFolder } from './backup/backup-folder.js';
import type { Backups } from './backups.js';
import {
  assembleSteps,
  collectStale,
  downloadLimit,
  serveOthers,
  type StepNeeds,
  type StepOptions,
} from './assemble-steps.js';
import { createOrderBook, type OrderState } from './domain/order-book.js';
import { isLocal, type OnLocalStep } from './domain/order.js';
import { openHostChannel, type HostChannel } from './host-channel.js';
import { createHostUpdates, type HostUpdates } from './local/host-updates.js';
import { createLocalDoor } from './local/local-door.js';
import { createHostLink, type HostLink } from './host-link.js';
import { hasServices, readHostRecord, writeHostRecord, type HostRecord } from './host-record.js';
import { createCredential, openKeyRing } from './identity.js';
import { openJournal, type Journal } from './journal.js';
import { createKeyRotation, type KeyRotation } from './key-rotation.js';
import { layoutOf, makeFolders, type Layout } from './layout.js';
import { lock, type Lock } from './lock.js';
import { trimLogs } from './logs.js';
import { createOrderRunner, type OrderRunner } from './order-runner.js';
import { demandCommandUser } from './platform/command-user.js';
import { createPlatform } from './platform/platform.js';
import { endProbation } from './program/probation.js';
import { createReleases, type Releases } from './releases.js';
import type { ReleaseSource } from './tuf/release-source.js';
import { answerTo, hello, report, throttledProgress, type Send } from './up-messages.js';
import { orderFromWire } from './wire.js';

/*
 * The agent of one host put together: journal, runner, link. Owns the order in which they start and stop, and what goes up the stream.
 */

export interface AgentOptions extends StepOptions {
  readonly dataDir: string;
  readonly heartbeatMs?: number;
  /** Age at which another key follows; 0: never. Default 90 days. */
  readonly keyMaxAgeMs?: number | undefined;
  /** Hears of the steps of local orders, and of each piece that arrives; a single seat shows them. */
  readonly onLocalStep?: OnLocalStep;
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

/** Opens the data folder; nobody else can meanwhile. */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const folder = layoutOf(options.dataDir);
  const record = readHostRecord(folder);
  const layout = withBackupsFolder(folder, record);
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
  const parts = await openParts(options, layout, record);
  const { journal, releases, source, backups, channel } = parts;
  const link: { current?: HostLink | undefined } = {};
  const updates = channel && openHostUpdates(parts, channel);
  const door = updates && createLocalDoor({ layout, updates, log: options.log });
  const runner = createRunner(options, parts, updates, (message) => link.current?.send(message));
  const rotation = createRotation(options, parts, () => link.current?.renew());
  link.current = channel && createLink(options, parts, channel, runner, rotation);
  return {
    ...{ record, runner, journal, releases, source, backups, failed: runner.failed },
    start: () => {
      link.current?.start();
      if (options.onAccepted) return;
      runner.start();
      door?.start();
    },
    stop: async () => {
      updates?.stop();
      await door?.stop();
      await Promise.all([runner.stop(), link.current?.stop(), rotation?.stop()]);
      await parts.peerServer?.stop();
      channel?.close();
      journal.close();
      held.release();
    },
  };
}

type Parts = Awaited<ReturnType<typeof openParts>>;

async function openParts(options: AgentOptions, layout: Layout, record: HostRecord) {
  const { log } = options;
  const catalog = rememberedCatalog(layout, record);
  const services = hasServices(record);
  const ring = services ? openKeyRing(layout) : undefined;
  const credential = ring ? createCredential(ring, record.installation, record.host) : () => '';
  const channel = services ? openHostChannel(record, credential, log) : undefined;
  const journal = openJournal(layout.journal, createOrderBook(record));
  const platform = createPlatform();
  const releases = createReleases(layout, record.product, platform);
  await releases.settle();
  const limit = downloadLimit(record, channel, log);
  const connected = Promise.withResolvers<void>();
  const serving: StepNeeds['serving'] = {};
  const needs: StepNeeds = {
    ...{ layout, record, releases, platform, catalogUrl: catalog.url, credential, limit, serving, tls: channel?.tls },
    connected: connected.promise,
  };
  const { steps, source, staging, backups } = await assembleSteps(options, needs);
  if (!options.onAccepted) {
    await collectStale(staging, journal, log);
    serving.server = await serveOthers(options, needs);
  }
  return {
    ...{ layout, record, catalog, channel, ring, journal, releases, steps, source, backups },
    onConnected: connected.resolve,
    peerServer: serving.server,
  };
}

function openHostUpdates({ record, journal, releases }: Parts, channel: Channel): HostUpdates {
  return createHostUpdates({
    record,
    client: createClient(hostEdgeV1.HostEdgeServiceService, channel),
    book: () => journal.book,
    installedVersion: () => releases.installedVersion(),
  });
}

function createRunner(
  { log, onLocalStep }: AgentOptions,
  { layout, record, journal, releases, steps }: Parts,
  updates: HostUpdates | undefined,
  send: Send,
): OrderRunner {
  const sayProgress = throttledProgress(send, onLocalStep);
  return createOrderRunner({
    ...{ layout, record, journal, releases, steps, log },
    onEvent: (event) => {
      if (event.type === 'step-begun' && isLocal(event.order)) onLocalStep?.(event.step, 0, 0);
      report(event, send);
      updates?.onEvent(event);
    },
    onProgress: (order, step, done, total) => {
      sayProgress(order, step, done, total);
      updates?.onProgress(done, total);
    },
  });
}

/** The agent that is to take over leaves the key as it is. */
function createRotation(
  { log, keyMaxAgeMs, onAccepted }: AgentOptions,
  { channel, ring, journal }: Parts,
  onFollowed: () => void,
): KeyRotation | undefined {
  if (!channel || !ring || onAccepted) return undefined;
  const isIdle = (): boolean => [...journal.book.orders.values()].every(({ phase }) => phase === 'finished');
  return createKeyRotation({ ring, channel, maxAgeMs: keyMaxAgeMs, isIdle, onFollowed, log });
}

function createLink(
  { log, heartbeatMs, onAccepted }: AgentOptions,
  { layout, journal, releases, catalog, onConnected }: Parts,
  channel: HostChannel,
  runner: OrderRunner,
  rotation: KeyRotation | undefined,
): HostLink {
  const link = createHostLink({
    ...{ channel, log, ...(heartbeatMs && { heartbeatMs }) },
    hello: async () => hello(await releases.installedVersion(), journal.book.fence),
    onWelcome: () => openOrders(journal).map(answerTo),
    onPulse: () => {
      trimLogs(layout.logs);
      channel.tls?.current();
      rotation?.look();
      return openOrders(journal)
        .filter((state) => state.phase === 'finished')
        .map(answerTo);
    },
    onMessage: async (message) => {
      if (onAccepted) return takeOverAt(message, onAccepted);
      if (message.$case === 'welcome') {
        onConnected();
        if (!isBeingUpdated(journal)) endProbation(layout.program);
      }
      await onMessage(message, runner, catalog.change);
      const state = message.$case === 'order' ? journal.book.orders.get(message.value.order) : undefined;
      if (state) link.send(answerTo(state));
    },
  });
  return link;
}

async function takeOverAt({ $case }: Down, onAccepted: () => Promise<void>): Promise<void> {
  if ($case === 'welcome') await onAccepted();
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

type Down = NonNullable<hostEdgeV1.ConnectResponse['message']>;

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
