import type { EventEnvelope, EventType } from '@lastcall/contracts';

/**
 * The port of the bus. Two implementations: embedded (one process, journalled in a file) and NATS JetStream. Services
 * see this file only; one contract suite runs on both.
 *
 * What is promised:
 * - `publish` resolves when the event is durable; it throws a Fault when that takes too long, and may then be repeated.
 *   The same event id published again within the duplicate window is dropped; beyond it the consumer's inbox drops it.
 * - Each durable consumer sees every event of its types at least once, also those published while it was away, and when
 *   it is new, those that the bus still holds.
 * - Events of one source document (`envelope.source`) are handed over in the order of their `sequence`, one at a time; a
 *   failing one holds back the later ones of the same source, and of that source only. With NATS this holds within one
 *   process; an event that comes again after a process, a server or a connection was lost may come late.
 * - A handler that throws is tried again, 5 times in all with backoff; then `deadLetter` takes the event and the
 *   next one of the source follows. A `Poison` error goes there at once. A `Fault` (a dependency is away) is tried again
 *   for two minutes before it counts. While the dead letter cannot be kept either, both are tried again.
 * - `broadcast` reaches everybody who listens at that moment, in every process, at most once. It only ever shortens a
 *   wait: whoever listens reads the store too.
 */
export interface Bus {
  publish(event: EventEnvelope): Promise<void>;
  consume(consumer: Consumer): Promise<Subscription>;
  broadcast(topic: string, data: Uint8Array): Promise<void>;
  listen(topic: string, handler: (data: Uint8Array) => void): Promise<Subscription>;
  /** Whether publishing and consuming can succeed now, and nothing that they need is refused; for health. */
  isConnected(): boolean;
  /**
   * Which one this is: another text after the events that it held were lost and it was made anew, so that they can be published
   * again from the archives. Makes it anew where that has not happened yet; throws a Fault while nobody can know.
   */
  generation(): Promise<string>;
  close(): Promise<void>;
}

export interface Consumer {
  /** Durable name, one for each service. Several processes with the same name share the events. */
  readonly name: string;
  /**
   * May change from one start to the next. A type that is new is seen from then on, at the latest. An event of another
   * type that arrives all the same (from a newer version that shares the name) is never handed over.
   */
  readonly types: readonly EventType[];
  /** Resolves when the effect is durable; only then the event is acknowledged. */
  handle(event: EventEnvelope): Promise<void>;
  /** Keeps an event that could not be taken in. Must be durable before it resolves. */
  deadLetter(event: EventEnvelope, reason: string): Promise<void>;
}

export interface Subscription {
  /** Resolves when no handler of it runs any more. Unacknowledged events come again to the next consumer. */
  stop(): Promise<void>;
}

export const MAX_DELIVERIES = 5;
