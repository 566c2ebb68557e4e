import { setTimeout as delay } from 'node:timers/promises';
import { encodeToken, envelopeFromHeaders, Poison, subjectFor, type EventEnvelope } from '@lastcall/contracts';
import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { MAX_DELIVERIES, type Consumer } from '../port.js';
import { SourceDispatcher } from '../source-dispatcher.js';
import type { BusLog, BusTuning } from '../tuning.js';
import { ensureConsumer } from './administration.js';
import type { Connection } from './connection.js';
import { consumerSettings, streamName } from './settings.js';

export interface JetStreamConsumerOptions {
  readonly prefix: string;
  readonly tuning: BusTuning;
  readonly log: BusLog;
  /** Creates the stream again if it was lost. */
  prepareStream(): Promise<void>;
}

/** An event that this process works on. A later delivery of the same one replaces the message to be acknowledged. */
interface Held {
  message: JsMsg;
}

/** How often the server shows that it is there; two missed ones and the client asks again. */
const IDLE_HEARTBEAT_MS = 1_000;
const PULL_EXPIRES_MS = 30_000;
const PULL_BATCH = 64;
/** Events done here that are recognised when they come again. */
const REMEMBERED = 1_000;
/** What a pull is told when the server has lost the consumer, or is not ready. */
const LOST = new Set(['no_responders', 'consumer_deleted', 'consumer_not_found', 'stream_not_found']);
/** What works when the server shows that it is there. */
const NEEDED = ['$JS.API.CONSUMER.', '_INBOX.'];

/**
 * One durable pull consumer: takes messages as they come, hands them to the dispatcher, and acknowledges what is done.
 *
 * Repetition after a failure happens in this process, with the message kept alive by `working`, because the events of the
 * same source that follow are here too and must wait. A message whose process died comes again after `ackWaitMs`.
 */
export class JetStreamConsumer {
  private readonly dispatcher: SourceDispatcher;
  private readonly held = new Map<number, Held>();
  /** Ids of the last events that were done here, by their place in the stream. */
  private readonly settled = new Map<number, string>();
  private messages: ConsumerMessages | undefined;
  private loop: Promise<void> | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private readonly stopping = new AbortController();

  constructor(
    private readonly consumer: Consumer,
    private readonly connection: Connection,
    private readonly options: JetStreamConsumerOptions,
  ) {
    this.dispatcher = new SourceDispatcher(consumer, options.tuning, options.log);
  }

  /** Resolves when the consumer exists on the server. */
  async start(): Promise<void> {
    // Without a filter, NATS would deliver everything.
    if (this.consumer.types.length === 0) return;
    this.messages = await this.pull();
    this.loop = this.run();
    this.heartbeat = setInterval(() => this.extend(), this.options.tuning.ackWaitMs / 3);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    const idle = this.dispatcher.stop();
    this.messages?.stop();
    await Promise.all([idle, this.loop]);
    clearInterval(this.heartbeat);
    if (!this.connection.isConnected) return;
    // Given back at once and in order, so that another process has them before their time is up.
    for (const { message } of this.held.values()) message.nak();
    await this.connection.nats.flush().catch(() => undefined);
  }

  private async pull(): Promise<ConsumerMessages> {
    const { prefix, tuning } = this.options;
    const settings = consumerSettings(prefix, this.consumer.name, this.consumer.types, tuning);
    const info = await ensureConsumer(this.connection.manager, streamName(prefix), settings);
    const messages = await this.connection.jetstream.consumers.getConsumerFromInfo(info).consume({
      max_messages: PULL_BATCH,
      expires: PULL_EXPIRES_MS,
      idle_heartbeat: IDLE_HEARTBEAT_MS,
      // Otherwise the client looks for the consumer after a reconnection, and when the server is not ready yet, it waits
      // for 30 seconds before it looks again. `watch` below does that part.
      bind: true,
    });
    void this.watch(messages);
    return messages;
  }

  /** Until stopped: takes in what comes; when the pull ends by itself, begins again. */
  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        this.messages ??= await this.pullAgain();
        for await (const message of this.messages) this.receive(message);
      } catch (error) {
        this.options.log.warn({ consumer: this.consumer.name, err: error }, 'consumer interrupted, goes on');
      }
      this.messages = undefined;
      await this.pause();
    }
  }

  private async pullAgain(): Promise<ConsumerMessages> {
    await this.connection.whenConnected(this.options.tuning.publishTimeoutMs);
    await this.options.prepareStream();
    const messages = await this.pull();
    if (this.stopping.signal.aborted) messages.stop();
    return messages;
  }

  /** Ends the pull when the server does not have the consumer, so that `run` creates what is missing and pulls again. */
  private async watch(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) {
      if (type === 'heartbeat') for (const subject of NEEDED) this.connection.accepted(subject);
      if (!LOST.has(type)) continue;
      this.options.log.warn({ consumer: this.consumer.name, type }, 'consumer not found, will be looked after');
      messages.stop();
      return;
    }
  }

  /** While stopping, the dispatcher begins nothing any more: what still comes is given back with the rest, in order. */
  private receive(message: JsMsg): void {
    const known = this.held.get(message.seq);
    if (known !== undefined) {
      known.message = message;
      return;
    }
    const read = readEnvelope(message);
    if (read.unreadable === undefined && !this.consumes(read.envelope.type)) {
      this.passOn(message, read.envelope);
      return;
    }
    const offered = this.inItsPlace(message, read);
    const { envelope } = offered;
    if (this.settled.get(message.seq) === envelope.id) {
      // Its acknowledgement was lost, with the connection or with a server that died.
      message.ack();
      return;
    }
    const held: Held = { message };
    this.held.set(message.seq, held);
    const acknowledge = (): void => this.acknowledge(message.seq, envelope.id, held);
    this.dispatcher.offer({ ...offered, acknowledge });
  }

  private consumes(type: string): boolean {
    return (this.consumer.types as readonly string[]).includes(type);
  }

  /** Subjects decide who may say what. So a message must not say more than its subject does, and is never taken for what it says. */
  private inItsPlace(message: JsMsg, read: Read): Read {
    const { envelope, unreadable } = read;
    if (unreadable !== undefined || message.subject === subjectFor(envelope, this.options.prefix)) return read;
    return madeUp(message, `it says that it is a ${envelope.type}, and came as ${message.subject}`);
  }

  /**
   * A type that this version does not consume, because a newer (or older) version shares the consumer during an upgrade.
   * It is left to that one for a while; if nobody wants it, it is acknowledged and ignored.
   */
  private passOn(message: JsMsg, envelope: EventEnvelope): void {
    if (message.info.deliveryCount < MAX_DELIVERIES) {
      message.nak(this.options.tuning.maxDelayMs);
      return;
    }
    this.options.log.info({ event: envelope.id, type: envelope.type }, 'event of a type not consumed, ignored');
    message.ack();
  }

  private acknowledge(sequence: number, id: string, held: Held): void {
    this.held.delete(sequence);
    this.settled.set(sequence, id);
    const [oldest] = this.settled.keys();
    if (this.settled.size > REMEMBERED && oldest !== undefined) this.settled.delete(oldest);
    held.message.ack();
  }

  private extend(): void {
    if (!this.connection.isConnected) return;
    for (const { message } of this.held.values()) message.working();
  }

  private async pause(): Promise<void> {
    const { signal } = this.stopping;
    // Aborted is what `run` looks at next.
    await delay(this.options.tuning.reconnectWaitMs, undefined, { signal }).catch(() => undefined);
  }
}

interface Read {
  readonly envelope: EventEnvelope;
  /** Why the envelope is made up: it goes to the dead letters. */
  readonly unreadable?: string;
}

function readEnvelope(message: JsMsg): Read {
  const header = (name: string): string | undefined => {
    const value = message.headers?.get(name);
    return value === '' ? undefined : value;
  };
  try {
    return { envelope: envelopeFromHeaders(header, message.data) };
  } catch (error) {
    if (!(error instanceof Poison)) throw error;
    return madeUp(message, error.message);
  }
}

/** What the dead letters keep of a message that is no event: nobody is its source, so that it can never be taken in. */
function madeUp(message: JsMsg, unreadable: string): Read {
  const source = `bus/${message.info.stream}/${encodeToken(message.subject)}`;
  const envelope = {
    id: `${source}@${message.seq}`,
    type: message.headers?.get('ce-type') || 'Unreadable',
    source,
    sequence: message.seq,
    installation: '',
    time: message.time.getTime(),
    data: message.data,
  };
  return { envelope, unreadable };
}
