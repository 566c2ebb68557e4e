import { setTimeout as delay } from 'node:timers/promises';
import { broadcastSubject, envelopeToHeaders, subjectFor, type EventEnvelope } from '@lastcall/contracts';
import { Fault } from '@lastcall/kernel';
import { JetStreamApiError } from '@nats-io/jetstream';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { describe } from '../retry-policy.js';
import type { Bus, Consumer, Subscription } from '../port.js';
import type { BusLog, BusTuning } from '../tuning.js';
import { ensureStream } from './administration.js';
import { Connection } from './connection.js';
import { JetStreamConsumer } from './jetstream-consumer.js';
import { streamName, streamSettings } from './settings.js';

export interface JetStreamBusOptions {
  readonly url: string;
  readonly prefix: string;
  /** Undefined leaves an existing stream as it is and creates a new one with one copy. */
  readonly replicas: number | undefined;
  readonly tuning: BusTuning;
  readonly log: BusLog;
}

/** Several copies: another replica says the same event just now, and it is not on a majority of the servers yet. */
const IN_PROCESS = 10158;

/** The longest that one attempt to publish may take before it is repeated (with the same id, so it is harmless). */
const ATTEMPT_MS = 2_000;

/**
 * The bus on NATS: events in a JetStream stream, broadcasts on core NATS. Servers that are away are waited for; a stream
 * or consumer that was lost is created again.
 */
export class JetStreamBus implements Bus {
  private readonly subscriptions = new Set<Subscription>();
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly connection: Connection,
    private readonly options: JetStreamBusOptions,
  ) {}

  static async open(options: JetStreamBusOptions): Promise<JetStreamBus> {
    const connection = await Connection.open(options.url, options.tuning, options.log, (opened) =>
      prepareStream(opened, options),
    );
    return new JetStreamBus(connection, options);
  }

  /** Resolves when the stream has it on disk, on a majority of its servers. Throws a Fault when that takes too long. */
  async publish(event: EventEnvelope): Promise<void> {
    const endAt = Date.now() + this.options.tuning.publishTimeoutMs;
    const subject = subjectFor(event, this.options.prefix);
    for (;;) {
      const error = await this.attempt(subject, event, endAt);
      if (error === undefined) return;
      if (this.connection.nats.isClosed() || Date.now() + this.options.tuning.reconnectWaitMs > endAt) {
        throw new Fault(`event ${event.id} could not be published`, { cause: error });
      }
      await this.repair(error);
    }
  }

  async consume(consumer: Consumer): Promise<Subscription> {
    const running = new JetStreamConsumer(consumer, this.connection, {
      prefix: this.options.prefix,
      tuning: this.options.tuning,
      log: this.options.log,
      prepareStream: () => prepareStream(this.connection, this.options),
    });
    try {
      await running.start();
    } catch (cause) {
      throw new Fault(`cannot consume as ${consumer.name}`, { cause });
    }
    return this.remember(() => running.stop());
  }

  async broadcast(topic: string, data: Uint8Array): Promise<void> {
    if (this.connection.nats.isClosed()) throw new Fault('the bus is closed');
    this.connection.nats.publish(broadcastSubject(topic, this.options.prefix), data);
  }

  async listen(topic: string, handler: (data: Uint8Array) => void): Promise<Subscription> {
    if (this.connection.nats.isClosed()) throw new Fault('the bus is closed');
    const subscription = this.connection.nats.subscribe(broadcastSubject(topic, this.options.prefix), {
      callback: (error, message) => {
        try {
          if (error !== null) throw error;
          handler(message.data);
        } catch (err) {
          this.options.log.error({ topic, err }, 'listener failed');
        }
      },
    });
    await this.flush();
    return this.remember(async () => subscription.unsubscribe());
  }

  isConnected(): boolean {
    return this.connection.isConnected && !this.connection.isRefused;
  }

  async generation(): Promise<string> {
    try {
      await prepareStream(this.connection, this.options);
      const { created } = await this.connection.manager.streams.info(streamName(this.options.prefix));
      for (const call of ['INFO', 'CREATE']) this.connection.accepted(`$JS.API.STREAM.${call}.`);
      return created;
    } catch (cause) {
      throw new Fault('the stream of events cannot be looked at', { cause });
    }
  }

  close(): Promise<void> {
    this.closing ??= (async () => {
      await Promise.all([...this.subscriptions].map((subscription) => subscription.stop()));
      await this.connection.close();
    })();
    return this.closing;
  }

  /** One attempt; the error is returned, since the next attempt follows. */
  private async attempt(subject: string, event: EventEnvelope, endAt: number): Promise<unknown> {
    const connected = await this.connection.whenConnected(endAt - Date.now());
    if (!connected) return new Fault('not connected');
    try {
      await this.connection.jetstream.publish(subject, event.data, {
        msgID: event.id,
        headers: eventHeaders(event),
        timeout: Math.max(1, Math.min(ATTEMPT_MS, endAt - Date.now())),
        // An acknowledgement by any other stream would not mean that our consumers see it.
        expect: { streamName: streamName(this.options.prefix) },
      });
      this.connection.accepted(subject);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** Nobody answers when the server is starting, and when the stream is gone. */
  private async repair(error: unknown): Promise<void> {
    const isInProcess = error instanceof JetStreamApiError && error.code === IN_PROCESS;
    if (!isInProcess) this.options.log.warn({ reason: describe(error) }, 'publishing failed, will be tried again');
    await delay(this.options.tuning.reconnectWaitMs);
    if (isInProcess || !this.connection.isConnected) return;
    await prepareStream(this.connection, this.options).catch((cause: unknown) =>
      this.options.log.warn({ err: cause }, 'the stream of events cannot be looked at'),
    );
  }

  private remember(stop: () => Promise<void>): Subscription {
    let stopped: Promise<void> | undefined;
    const subscription: Subscription = {
      stop: () => {
        this.subscriptions.delete(subscription);
        return (stopped ??= stop());
      },
    };
    this.subscriptions.add(subscription);
    return subscription;
  }

  private async flush(): Promise<void> {
    // A connection that is away subscribes again by itself when it is back.
    if (this.connection.isConnected) await this.connection.nats.flush().catch(() => undefined);
  }
}

async function prepareStream(connection: Connection, options: JetStreamBusOptions): Promise<void> {
  const settings = streamSettings(options.prefix, options.replicas ?? 1);
  await ensureStream(connection.manager, settings, options.replicas !== undefined);
}

function eventHeaders(event: EventEnvelope): MsgHdrs {
  const result = headers();
  for (const [name, value] of Object.entries(envelopeToHeaders(event))) result.set(name, value);
  return result;
}
