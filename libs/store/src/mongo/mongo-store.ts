import type { EventEnvelope } from '@lastcall/contracts';
import { Defect, Fault } from '@lastcall/kernel';
import { MongoClient, type Db } from 'mongodb';
import type { StoreOptions } from '../store-options.js';
import { OutboxSignal } from '../outbox-signal.js';
import type { Collection, CollectionSpec, Page, Store } from '../port.js';
import { checkLimit } from '../query-plan.js';
import { checkSpec, indexSignature } from '../spec.js';
import { buildCollection } from './build-collection.js';
import { MongoCollectionPort } from './mongo-collection.js';
import { MongoEvents } from './mongo-events.js';
import { toFault } from './mongo-faults.js';
import { FilledOutboxes } from './filled-outboxes.js';
import { Patience } from './patience.js';
import { ServerClock } from './server-clock.js';
import { reopenWhenStuck, type StuckHeartbeats } from './stuck-heartbeats.js';
import type { StoredDocument, StoredSpec } from './stored.js';

/*
 * The store of a service with several replicas, in one MongoDB database. What was written is on a majority of the
 * servers, what is read has been written so. No transactions over several documents, no change streams: right on every
 * topology. `isConnected` is whether there is a server that takes writes and answered when it was last asked.
 */

export type MongoOptions = Pick<StoreOptions, 'url' | 'database' | 'service' | 'traceContext'> & {
  /** How long a call goes on trying; tests shorten it. */
  readonly patienceMs?: number;
};

/** How the server stands: alone, or one of several. */
interface Hello {
  readonly setName?: string;
  readonly msg?: string;
}

export async function openMongoStore(options: MongoOptions): Promise<Store> {
  const client = createClient(options);
  const server = new ServerState(client);
  const patience = new Patience(options.patienceMs, (reached) => server.setReached(reached));
  try {
    const store = await patience.repeat('open', async () => {
      await client.connect();
      const db = client.db(options.database);
      const hello = (await db.command({ hello: 1 })) as Hello;
      const store = new MongoStore(client, server, patience, hello, options);
      await store.prepare();
      return store;
    });
    return store;
  } catch (error) {
    await client.close().catch(() => undefined); // What counts is why it could not be opened.
    throw new Fault(`the database ${withoutPassword(options.url)} cannot be used: ${String(error)}`, { cause: error });
  }
}

/** Of a connection and of each look at the server. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A look at the server that takes longer has none of the driver's own limits any more. */
const STUCK_AFTER_MS = CONNECT_TIMEOUT_MS + 1_000;

function createClient({ url, service }: MongoOptions): MongoClient {
  try {
    return new MongoClient(url, {
      appName: `lastcall-${service}`,
      writeConcern: { w: 'majority', journal: true },
      readConcern: { level: 'majority' },
      readPreference: 'primary',
      serverSelectionTimeoutMS: 2_000,
      connectTimeoutMS: CONNECT_TIMEOUT_MS,
      socketTimeoutMS: 15_000,
      heartbeatFrequencyMS: 2_000,
    });
  } catch (cause) {
    throw new Fault(`no address of a MongoDB: ${withoutPassword(url)} (${String(cause)})`, { cause });
  }
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@');
}

/**
 * What the driver sees of the servers, and how the last call went: a server that resets every new connection counts as
 * overloaded for the driver, not as gone.
 */
class ServerState {
  private writable = false;
  private reached = true;

  constructor(client: MongoClient) {
    client.on('topologyDescriptionChanged', ({ newDescription }) => {
      this.writable = [...newDescription.servers.values()].some(({ isWritable }) => isWritable);
    });
    client.on('serverHeartbeatSucceeded', () => this.setReached(true));
    client.on('topologyClosed', () => {
      this.writable = false;
    });
  }

  setReached(reached: boolean): void {
    this.reached = reached;
  }

  isWritable(): boolean {
    return this.writable && this.reached;
  }
}

class MongoStore implements Store {
  private readonly db: Db;
  private readonly clock: ServerClock;
  private readonly events: MongoEvents;
  private readonly heartbeats: StuckHeartbeats;
  private readonly outboxSignal = new OutboxSignal();
  private readonly collections = new Map<string, { signature: string; collection: Promise<unknown> }>();
  /** Collections that are there, those that are not declared any more included: their events still go out. */
  private readonly built = new Set<string>();
  private readonly outboxes = new FilledOutboxes();
  private closing: Promise<void> | undefined;

  constructor(
    private readonly client: MongoClient,
    private readonly server: ServerState,
    private readonly patience: Patience,
    private readonly hello: Hello,
    private readonly options: MongoOptions,
  ) {
    this.db = client.db(options.database);
    this.clock = new ServerClock(this.db);
    this.events = new MongoEvents(this.db, options.service);
    this.heartbeats = reopenWhenStuck(client, STUCK_AFTER_MS);
  }

  async prepare(): Promise<void> {
    await this.events.prepare();
    const specs = await this.db.collection<StoredSpec>('_collections').find({}).toArray();
    for (const { _id } of specs) this.built.add(_id);
  }

  async collection<T extends object>(spec: CollectionSpec<T>): Promise<Collection<T>> {
    checkSpec(spec);
    const signature = indexSignature(spec.indexes);
    const known = this.collections.get(spec.name);
    if (known && known.signature !== signature) throw new Defect(`${spec.name} is declared in two ways`);
    if (known) return known.collection as Promise<Collection<T>>;
    const collection = this.build(spec);
    this.collections.set(spec.name, { signature, collection });
    // A failure is this caller's to see; the next one begins anew.
    collection.catch(() => this.collections.delete(spec.name));
    return collection;
  }

  private async build<T extends object>(spec: CollectionSpec<T>): Promise<Collection<T>> {
    await this.repeat(`build ${spec.name}`, async () => buildCollection(this.db, spec, await this.clock.now()));
    this.built.add(spec.name);
    return new MongoCollectionPort<T>(spec, {
      documents: this.db.collection<StoredDocument>(spec.name),
      service: this.options.service,
      patience: this.patience,
      readCurrent: this.hello.setName !== undefined || this.hello.msg === 'isdbgrid' ? 'linearizable' : 'majority',
      now: () => this.clock.now(),
      trace: this.options.traceContext ?? (() => ({})),
      said: () => {
        this.outboxes.filled(spec.name);
        this.outboxSignal.raise();
      },
    });
  }

  now(): Promise<number> {
    return this.repeat('read the clock', () => this.clock.now());
  }

  isConnected(): boolean {
    return this.server.isWritable() && this.closing === undefined;
  }

  onOutbox(wake: () => void): () => void {
    return this.outboxSignal.listen(wake);
  }

  async pendingEvents(limit: number): Promise<readonly EventEnvelope[]> {
    checkLimit(limit);
    return this.repeat('read the outboxes', () =>
      this.outboxes.read(this.built, (names) => this.events.pending(names, limit)),
    );
  }

  archive(event: EventEnvelope): Promise<void> {
    return this.repeat(`archive ${event.id}`, async () => this.events.archive(event, await this.clock.now()));
  }

  clearEvent(event: EventEnvelope): Promise<void> {
    return this.repeat(`clear ${event.id}`, () => this.events.clear(event));
  }

  async archivedEvents(page: { fromAt: number; limit: number; pageToken?: string }): Promise<Page<EventEnvelope>> {
    checkLimit(page.limit);
    return this.repeat('read the archive', () => this.events.page(page));
  }

  async close(): Promise<void> {
    this.patience.stop();
    this.closing ??= this.closeClient();
    return this.closing;
  }

  private async closeClient(): Promise<void> {
    await this.heartbeats.stop();
    await this.client.close().catch((cause: unknown) => Promise.reject(toFault('close', cause)));
  }

  private repeat<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    return this.patience.repeat(what, attempt);
  }
}
