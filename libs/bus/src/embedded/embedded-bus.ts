import type { EventEnvelope } from '@lastcall/contracts';
import { Defect, Fault, MINUTE_MS, type Clock } from '@lastcall/kernel';
import type { Bus, Consumer, Subscription } from '../port.js';
import type { BusLog, BusTuning } from '../tuning.js';
import { EmbeddedConsumer } from './embedded-consumer.js';
import { Journal, type Acknowledgement } from './journal.js';

/**
 * The bus of one process: events are written to a journal and handed over in memory, without polling.
 *
 * Everything that is published in one turn of the event loop is one transaction, so a burst costs one sync of the disk.
 * Acknowledgements ride along with it, or are written by themselves without a sync.
 */

interface Publication {
  readonly event: EventEnvelope;
  resolve(): void;
  reject(error: Error): void;
}

const PRUNE_EVERY_MS = 10 * MINUTE_MS;
const RETRY_ACKNOWLEDGEMENTS_MS = 1_000;

export interface EmbeddedBusOptions {
  /** Path of the journal; it and its folder are created. */
  readonly file: string;
  readonly tuning: BusTuning;
  readonly log: BusLog;
  readonly clock: Clock;
}

export class EmbeddedBus implements Bus {
  private readonly journal: Journal;
  private readonly consumers = new Map<string, EmbeddedConsumer>();
  private readonly listeners = new Map<string, Set<(data: Uint8Array) => void>>();
  private readonly pruner: NodeJS.Timeout;
  private publications: Publication[] = [];
  private acknowledgements: Acknowledgement[] = [];
  private flushing: NodeJS.Immediate | undefined;
  private retry: NodeJS.Timeout | undefined;
  private state: 'open' | 'failing' | 'closed' = 'open';

  constructor(private readonly options: EmbeddedBusOptions) {
    this.journal = openJournal(options.file);
    this.pruner = setInterval(() => this.prune(), PRUNE_EVERY_MS).unref();
    this.prune();
  }

  async publish(event: EventEnvelope): Promise<void> {
    if (this.state === 'closed') throw new Fault('the bus is closed');
    await new Promise<void>((resolve, reject) => {
      this.publications.push({ event, resolve, reject });
      this.scheduleFlush();
    });
  }

  async consume(consumer: Consumer): Promise<Subscription> {
    if (this.state === 'closed') throw new Fault('the bus is closed');
    if (this.consumers.has(consumer.name)) throw new Defect(`${consumer.name} consumes already in this process`);
    this.journal.declareConsumer(consumer.name, consumer.types);
    const running = new EmbeddedConsumer(consumer, this.journal, this.options, (position) => {
      this.acknowledgements.push({ consumer: consumer.name, position });
      this.scheduleFlush();
    });
    this.consumers.set(consumer.name, running);
    running.fill();
    let stopped: Promise<void> | undefined;
    return { stop: () => (stopped ??= this.stopConsumer(consumer.name, running)) };
  }

  async broadcast(topic: string, data: Uint8Array): Promise<void> {
    for (const handler of this.listeners.get(topic) ?? []) {
      setImmediate(() => {
        if (!this.listeners.get(topic)?.has(handler)) return;
        try {
          handler(data);
        } catch (error) {
          this.options.log.error({ topic, err: error }, 'listener failed');
        }
      });
    }
  }

  async listen(topic: string, handler: (data: Uint8Array) => void): Promise<Subscription> {
    // A handler of its own for each call, so that the same function can listen twice.
    const own = (data: Uint8Array): void => handler(data);
    const handlers = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, handlers.add(own));
    return {
      stop: async () => {
        handlers.delete(own);
      },
    };
  }

  isConnected(): boolean {
    return this.state === 'open';
  }

  async generation(): Promise<string> {
    if (this.state === 'closed') throw new Fault('the bus is closed');
    return this.journal.generation();
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    await Promise.all([...this.consumers].map(([name, consumer]) => this.stopConsumer(name, consumer)));
    clearInterval(this.pruner);
    this.flush();
    clearTimeout(this.retry);
    this.state = 'closed';
    this.listeners.clear();
    this.journal.close();
  }

  private async stopConsumer(name: string, consumer: EmbeddedConsumer): Promise<void> {
    await consumer.stop();
    // Written before anybody can consume again under this name, or the same events would come again.
    this.flush();
    if (this.consumers.get(name) === consumer) this.consumers.delete(name);
  }

  private scheduleFlush(): void {
    this.flushing ??= setImmediate(() => this.flush());
  }

  private flush(): void {
    clearImmediate(this.flushing);
    this.flushing = undefined;
    const { publications, acknowledgements } = this;
    if (this.state === 'closed' || publications.length + acknowledgements.length === 0) return;
    this.publications = [];
    this.acknowledgements = [];
    try {
      const events = publications.map((publication) => publication.event);
      this.journal.write(events, acknowledgements, this.options.clock.now());
    } catch (cause) {
      this.flushFailed(publications, acknowledgements, cause);
      return;
    }
    this.state = 'open';
    for (const publication of publications) publication.resolve();
    if (publications.length > 0) for (const consumer of this.consumers.values()) consumer.fill();
  }

  private flushFailed(
    publications: readonly Publication[],
    acknowledgements: readonly Acknowledgement[],
    cause: unknown,
  ): void {
    this.state = 'failing';
    this.options.log.error({ err: cause, file: this.options.file }, 'journal cannot be written');
    const fault = new Fault(`the bus cannot write its journal ${this.options.file}`, { cause });
    for (const publication of publications) publication.reject(fault);
    this.acknowledgements.unshift(...acknowledgements);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.flush(), RETRY_ACKNOWLEDGEMENTS_MS).unref();
  }

  private prune(): void {
    try {
      this.journal.prune(this.options.clock.now() - this.options.tuning.keepMs);
    } catch (error) {
      this.options.log.warn({ err: error }, 'journal could not be pruned, will be tried again');
    }
  }
}

function openJournal(file: string): Journal {
  try {
    return new Journal(file);
  } catch (cause) {
    throw new Fault(`cannot open the journal ${file}; is another process using it?`, { cause });
  }
}
