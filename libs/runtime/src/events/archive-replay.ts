import type { Bus } from '@lastcall/bus';
import type { EventEnvelope } from '@lastcall/contracts';
import { DAY_MS, SECOND_MS } from '@lastcall/kernel';
import { ARCHIVE_DAYS, type Collection, type Store } from '@lastcall/store';
import { createPoller, type Timers } from '../duties/timers.js';
import type { LifecyclePart } from '../lifecycle.js';
import type { Logger } from '../logging.js';
import type { Telemetry } from '../telemetry/telemetry.js';

/*
 * Fills a bus that has lost its events from the archive. Each service looks at which bus it is, publishes everything of its archive
 * when that is not the one it knows, and remembers it when it is done; killed in between it begins again. Every replica may do
 * it: what a document has taken in already is dropped by its inbox, and by its state where that has forgotten.
 *
 * Events of one document are published in their order. What is said meanwhile may come before them, as after any loss.
 */

export interface ArchiveReplayOptions {
  readonly service: string;
  readonly store: Store;
  readonly bus: Bus;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly timers: Timers;
}

export interface ArchiveReplay extends LifecyclePart {
  /** Answers how many events were published again. */
  runOnce(signal: AbortSignal): Promise<number>;
}

interface FilledBus {
  readonly generation: string;
}

const EVERY_MS = 10 * SECOND_MS;
const PAGE = 512;
const DOCUMENT = 'bus';

export async function createArchiveReplay(options: ArchiveReplayOptions): Promise<ArchiveReplay> {
  const { service, store, bus, log, telemetry, timers } = options;
  const known: Collection<FilledBus> = await store.collection<FilledBus>({
    name: 'filled_buses',
    fields: () => ({}),
    indexes: [],
  });
  const remember = (generation: string): Promise<undefined> =>
    known.change(DOCUMENT, () => ({ write: { generation }, result: undefined }));

  async function runOnce(signal: AbortSignal): Promise<number> {
    const generation = await bus.generation();
    const before = (await known.get(DOCUMENT))?.data.generation;
    if (before === generation) return 0;
    // The first start, or the first one of a version that looks: there is nothing to compare with.
    if (before === undefined) return (await remember(generation)) ?? 0;
    log.warn({ service }, 'the bus has lost its events; they are published again from the archive');
    let published = 0;
    for await (const page of archivePages(store, (await store.now()) - ARCHIVE_DAYS * DAY_MS)) {
      if (signal.aborted) return published;
      await publishAll(bus, page);
      published += page.length;
      for (const { type } of page) telemetry.count('events_replayed', { service, type });
    }
    await remember(generation);
    log.warn({ service, published }, 'the bus has the events of the archive again');
    return published;
  }

  const run = async (signal: AbortSignal): Promise<void> => void (await runOnce(signal));
  const poller = createPoller({ name: `archive replay of ${service}`, timers, everyMs: EVERY_MS, log, run });
  return {
    name: `archive replay of ${service}`,
    runOnce,
    start: async () => poller.start(),
    stop: () => poller.stop(),
  };
}

async function* archivePages(store: Store, fromAt: number): AsyncIterable<readonly EventEnvelope[]> {
  let pageToken: string | undefined;
  do {
    const page = await store.archivedEvents({ fromAt, limit: PAGE, ...(pageToken !== undefined && { pageToken }) });
    yield page.items;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}

/** Documents beside each other, the events of one after the other. */
async function publishAll(bus: Bus, events: readonly EventEnvelope[]): Promise<void> {
  const bySource = Map.groupBy(events, ({ source }) => source);
  await Promise.all(
    [...bySource.values()].map(async (ofSource) => {
      for (const event of ofSource) await bus.publish(event);
    }),
  );
}
