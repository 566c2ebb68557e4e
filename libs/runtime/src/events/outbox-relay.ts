import type { Bus } from '@lastcall/bus';
import type { EventEnvelope } from '@lastcall/contracts';
import type { Store } from '@lastcall/store';
import { createPoller, type Timers } from '../duties/timers.js';
import { contextOfEvent } from './event-context.js';
import type { LifecyclePart } from '../lifecycle.js';
import type { Logger } from '../logging.js';
import type { Telemetry } from '../telemetry/telemetry.js';

/*
 * From the outbox to the bus: archive and publish, then clear, each idempotent, so that a crash between any two repeats
 * harmlessly. Events of one document go one after the other and stop at the first that fails; documents go beside each other.
 * Several replicas may relay the same outbox: the bus and the inboxes drop what comes twice.
 */

export interface OutboxRelayOptions {
  readonly service: string;
  readonly store: Store;
  readonly bus: Bus;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly timers: Timers;
}

export interface OutboxRelay extends LifecyclePart {
  /** Publishes what is pending. Throws when something could not be published; the rest went out. */
  runOnce(signal: AbortSignal): Promise<void>;
}

const EVERY_MS = 1_000;
const BATCH = 256;
const CONCURRENT_SOURCES = 32;

export function createOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  const { service, store, log, telemetry, timers } = options;
  let offOutbox: (() => void) | undefined;

  async function runOnce(signal: AbortSignal): Promise<void> {
    for (;;) {
      const pending = await store.pendingEvents(BATCH);
      telemetry.set('outbox_pending', pending.length, { service });
      const oldestAt = Math.min(timers.now(), ...pending.map(({ time }) => time));
      telemetry.set('outbox_age_seconds', (timers.now() - oldestAt) / 1_000, { service });
      if (pending.length === 0 || signal.aborted) return;
      const errors = await relayAll(options, bySource(pending), signal);
      // Cleared ones make room; without progress only time helps.
      if (errors.length > 0) throw new AggregateError(errors, `${errors.length} documents could not be relayed`);
    }
  }

  const poller = createPoller({
    name: `outbox relay of ${service}`,
    timers,
    everyMs: EVERY_MS,
    log,
    run: runOnce,
    onRun: (failed) => failed && telemetry.count('relay_failures', { service }),
  });
  return {
    name: `outbox relay of ${service}`,
    runOnce,
    start: async () => {
      offOutbox = store.onOutbox(() => poller.wake());
      poller.start();
    },
    stop: async () => {
      offOutbox?.();
      await poller.stop();
      // What the last calls wrote goes out now rather than at the next start; if not, the outbox keeps it.
      await runOnce(new AbortController().signal).catch((error: unknown) =>
        log.warn({ err: error }, 'the outbox could not be emptied at the stop; its events follow at the next start'),
      );
    },
  };
}

function bySource(events: readonly EventEnvelope[]): (readonly EventEnvelope[])[] {
  const sources = new Map<string, EventEnvelope[]>();
  for (const event of events) {
    const ofSource = sources.get(event.source);
    if (ofSource) ofSource.push(event);
    else sources.set(event.source, [event]);
  }
  return [...sources.values()];
}

/** Answers what went wrong, one error for each document. */
async function relayAll(
  options: OutboxRelayOptions,
  documents: (readonly EventEnvelope[])[],
  signal: AbortSignal,
): Promise<unknown[]> {
  const errors: unknown[] = [];
  const queue = documents.values();
  const worker = async (): Promise<void> => {
    for (const events of queue) {
      if (signal.aborted) return;
      await relayDocument(options, events).catch((error: unknown) => errors.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENT_SOURCES, documents.length) }, worker));
  return errors;
}

async function relayDocument(options: OutboxRelayOptions, events: readonly EventEnvelope[]): Promise<void> {
  const { store, bus, telemetry, service, log } = options;
  for (const event of events) {
    const attributes = { 'lastcall.service': service, 'lastcall.event': event.id };
    await telemetry.span({ name: `publish ${event.type}`, kind: 'producer', parent: event, attributes }, async () => {
      // Beside each other: consumers need not wait for the archive. It leaves the outbox when both have it.
      await Promise.all([store.archive(event), bus.publish(event)]);
      // Reading the event for the log is only worth it where the line is written.
      if (log.isLevelEnabled('debug')) {
        log.debug({ event: event.id, type: event.type, ...contextOfEvent(event) }, 'said');
      }
      await store.clearEvent(event);
    });
    telemetry.count('events_published', { service, type: event.type });
  }
}
