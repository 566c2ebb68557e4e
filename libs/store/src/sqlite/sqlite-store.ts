import { Defect, systemClock, type Clock } from '@lastcall/kernel';
import { closeSync, fdatasync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { EventEnvelope } from '@lastcall/contracts';
import type { StoreOptions } from '../store-options.js';
import { OutboxSignal } from '../outbox-signal.js';
import type { Collection, CollectionSpec, Page, Store } from '../port.js';
import { checkLimit } from '../query-plan.js';
import { checkSpec, indexSignature } from '../spec.js';
import { CommitQueue } from './commit-queue.js';
import { lockFile, type FileLock } from './file-lock.js';
import { EventTables } from './event-tables.js';
import { buildCollection, prepareFile } from './schema.js';
import { SqliteCollection } from './sqlite-collection.js';
import { sqliteFault } from './sqlite-faults.js';

/*
 * The store of one process, in one SQLite file: write-ahead log, which is synced to the disk before anything that is in it is
 * told. It owns the file and its lock; it refuses a file that another process has open. `isConnected` is whether it is open.
 */

export type SqliteOptions = Pick<StoreOptions, 'file' | 'service' | 'traceContext' | 'clock'>;

export function openSqliteStore(options: SqliteOptions): Store {
  const inMemory = options.file === ':memory:';
  const lock = inMemory ? undefined : createAndLock(options.file);
  try {
    const db = new DatabaseSync(options.file, { timeout: 1_000 });
    try {
      prepareFile(db);
      return new SqliteStore(db, inMemory ? noLog : openLog(options.file), lock, options);
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (cause) {
    lock?.release();
    throw cause instanceof Defect ? cause : sqliteFault(options.file, cause);
  }
}

function createAndLock(file: string): FileLock {
  try {
    mkdirSync(dirname(file), { recursive: true });
    // SQLite gives the log and the index beside it the mode of the file.
    closeSync(openSync(file, 'a', 0o600));
  } catch (cause) {
    throw sqliteFault(file, cause);
  }
  return lockFile(file);
}

/** The file that SQLite appends what is committed to; it is there as long as the database is open. */
interface Log {
  sync(): Promise<void>;
  close(): void;
}

const dataSync = promisify(fdatasync);
const noLog: Log = { sync: () => Promise.resolve(), close: () => undefined };

function openLog(file: string): Log {
  // SQLite's own locks are on the other two files: closing one of theirs here would let go of them.
  const descriptor = openSync(`${file}-wal`, 'r+');
  return { sync: () => dataSync(descriptor), close: () => closeSync(descriptor) };
}

class SqliteStore implements Store {
  private readonly queue: CommitQueue;
  private readonly events: EventTables;
  private readonly clock: Clock;
  private readonly outboxSignal = new OutboxSignal();
  private closing: Promise<void> | undefined;
  private readonly collections = new Map<string, { signature: string; collection: unknown }>();

  constructor(
    private readonly db: DatabaseSync,
    private readonly log: Log,
    private readonly lock: FileLock | undefined,
    private readonly options: SqliteOptions,
  ) {
    this.queue = new CommitQueue(db, options.file, () => log.sync());
    this.events = new EventTables(db);
    this.clock = options.clock ?? systemClock;
  }

  async collection<T extends object>(spec: CollectionSpec<T>): Promise<Collection<T>> {
    checkSpec(spec);
    const signature = indexSignature(spec.indexes);
    const known = this.collections.get(spec.name);
    if (known && known.signature !== signature) throw new Defect(`${spec.name} is declared in two ways`);
    if (known) return known.collection as Collection<T>;
    this.queue.atOnce(() => buildCollection(this.db, spec, this.clock.now()));
    const collection = new SqliteCollection<T>(spec, {
      db: this.db,
      queue: this.queue,
      events: this.events,
      service: this.options.service,
      now: () => this.clock.now(),
      trace: this.options.traceContext ?? (() => ({})),
      said: () => this.outboxSignal.raise(),
    });
    this.collections.set(spec.name, { signature, collection });
    return collection;
  }

  async now(): Promise<number> {
    return this.clock.now();
  }

  isConnected(): boolean {
    return this.queue.isOpen();
  }

  onOutbox(wake: () => void): () => void {
    return this.outboxSignal.listen(wake);
  }

  async pendingEvents(limit: number): Promise<readonly EventEnvelope[]> {
    checkLimit(limit);
    return this.queue.read(() => this.events.pending(limit));
  }

  archive(event: EventEnvelope): Promise<void> {
    return this.queue.write(() => this.events.archive(event, this.clock.now()), 'process');
  }

  clearEvent(event: EventEnvelope): Promise<void> {
    return this.queue.write(() => this.events.clear(event), 'process');
  }

  async archivedEvents(page: { fromAt: number; limit: number; pageToken?: string }): Promise<Page<EventEnvelope>> {
    checkLimit(page.limit);
    return this.queue.read(() => this.events.archived(page));
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    await this.queue.close();
    this.db.close();
    this.log.close();
    this.lock?.release();
  }
}
