import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { EventEnvelope } from '@lastcall/contracts';

/*
 * The journal of the embedded bus: every event with its bytes, and for each known consumer the events that it has not
 * acknowledged. One process: it is locked while it is open, by a file beside it, so that others may still read it for a backup.
 *
 * Publishing is synced to the disk (synchronous FULL). An acknowledgement alone is not: it survives the death of the
 * process, and when the power fails, the event comes again, which every consumer bears.
 */

/** An event at its place in the journal. */
export interface JournalEntry {
  readonly position: number;
  readonly envelope: EventEnvelope;
}

/** What a consumer has taken in. */
export interface Acknowledgement {
  readonly consumer: string;
  readonly position: number;
}

interface Row {
  position: number;
  id: string;
  type: string;
  source: string;
  sequence: number;
  installation: string;
  time: number;
  data: Uint8Array;
  traceparent: string | null;
  tracestate: string | null;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, source TEXT NOT NULL,
    sequence INTEGER NOT NULL, installation TEXT NOT NULL, time INTEGER NOT NULL, data BLOB NOT NULL,
    traceparent TEXT, tracestate TEXT, published_at INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS events_by_age ON events (published_at);
  CREATE TABLE IF NOT EXISTS interests (
    consumer TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY (type, consumer)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS pending (
    consumer TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (consumer, position)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS pending_by_position ON pending (position);
  CREATE TABLE IF NOT EXISTS generation (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL);`;

/** Events deleted in one go, so that pruning never blocks the process for long. */
const PRUNE_BATCH = 1_000;

export class Journal {
  private readonly db: DatabaseSync;
  private readonly lock: DatabaseSync | undefined;
  private readonly insertEvent: StatementSync;
  private readonly insertPending: StatementSync;
  private readonly deletePending: StatementSync;
  private readonly selectPending: StatementSync;

  constructor(file: string) {
    prepareFile(file);
    this.lock = lockFile(file);
    this.db = new DatabaseSync(file, { timeout: 1_000 });
    this.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    this.db.exec(SCHEMA);
    this.db.prepare('INSERT OR IGNORE INTO generation VALUES (1, ?)').run(randomUUID());
    this.insertEvent = this.db.prepare(
      `INSERT INTO events (id, type, source, sequence, installation, time, data, traceparent, tracestate, published_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    );
    this.insertPending = this.db.prepare(
      'INSERT INTO pending (consumer, position) SELECT consumer, ? FROM interests WHERE type = ?',
    );
    this.deletePending = this.db.prepare('DELETE FROM pending WHERE consumer = ? AND position = ?');
    this.selectPending = this.db.prepare(
      `SELECT e.* FROM pending p JOIN events e ON e.position = p.position
       WHERE p.consumer = ? AND p.position > ? ORDER BY p.position LIMIT ?`,
    );
  }

  /** Writes events and acknowledgements in one transaction. An event whose id is in the journal already is dropped. */
  write(events: readonly EventEnvelope[], acknowledgements: readonly Acknowledgement[], now: number): void {
    this.db.exec(`PRAGMA synchronous = ${events.length > 0 ? 'FULL' : 'NORMAL'}`);
    this.transaction(() => {
      for (const { consumer, position } of acknowledgements) this.deletePending.run(consumer, position);
      for (const event of events) this.append(event, now);
    });
  }

  /**
   * Makes the consumer known with exactly these types. A type that is new to it brings what the journal still holds;
   * what is pending of a type that it gave up is dropped.
   */
  declareConsumer(name: string, types: readonly string[]): void {
    const before = this.db.prepare('SELECT type FROM interests WHERE consumer = ?').all(name);
    const known = new Set(before.map((row) => String(row['type'])));
    this.db.exec('PRAGMA synchronous = FULL');
    this.transaction(() => {
      for (const type of types) if (!known.has(type)) this.addInterest(name, type);
      for (const type of known) if (!types.includes(type)) this.dropInterest(name, type);
    });
  }

  /** Unacknowledged events of a consumer after a position, in order. */
  pendingAfter(consumer: string, position: number, limit: number): readonly JournalEntry[] {
    // The driver types every row as unknown values; the statement above selects exactly these columns.
    const rows = this.selectPending.all(consumer, position, limit) as unknown as Row[];
    return rows.map((row) => ({ position: row.position, envelope: rowToEnvelope(row) }));
  }

  /** Forgets events published before `before` that nobody has to take in any more. Answers how many. */
  prune(before: number): number {
    const result = this.db
      .prepare(
        `DELETE FROM events WHERE position IN (
           SELECT position FROM events e WHERE published_at < ?
           AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.position = e.position) LIMIT ?)`,
      )
      .run(before, PRUNE_BATCH);
    return Number(result.changes);
  }

  generation(): string {
    return String(this.db.prepare('SELECT name FROM generation').get()?.['name']);
  }

  close(): void {
    this.db.close();
    this.lock?.close();
  }

  private append(event: EventEnvelope, now: number): void {
    const { changes, lastInsertRowid } = this.insertEvent.run(
      event.id,
      event.type,
      event.source,
      event.sequence,
      event.installation,
      event.time,
      event.data,
      event.traceparent ?? null,
      event.tracestate ?? null,
      now,
    );
    if (changes > 0) this.insertPending.run(lastInsertRowid, event.type);
  }

  private addInterest(consumer: string, type: string): void {
    this.db.prepare('INSERT INTO interests (consumer, type) VALUES (?, ?)').run(consumer, type);
    this.db
      .prepare('INSERT OR IGNORE INTO pending (consumer, position) SELECT ?, position FROM events WHERE type = ?')
      .run(consumer, type);
  }

  private dropInterest(consumer: string, type: string): void {
    this.db.prepare('DELETE FROM interests WHERE consumer = ? AND type = ?').run(consumer, type);
    this.db
      .prepare('DELETE FROM pending WHERE consumer = ? AND position IN (SELECT position FROM events WHERE type = ?)')
      .run(consumer, type);
  }

  private transaction(work: () => void): void {
    this.db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.db.exec('COMMIT');
    } catch (error) {
      // SQLite has rolled back by itself after some errors (disk full), and then says so to a second rollback.
      if (this.db.isTransaction) this.db.exec('ROLLBACK');
      throw error;
    }
  }
}

/** Events can carry secrets (the code of a first start), so nobody else may read the file. */
function prepareFile(file: string): void {
  if (file === ':memory:') return;
  mkdirSync(dirname(file), { recursive: true });
  closeSync(openSync(file, 'a', 0o600));
}

/** Held by the operating system: it ends with the process, however that ends. */
function lockFile(file: string): DatabaseSync | undefined {
  if (file === ':memory:') return undefined;
  const lock = new DatabaseSync(`${file}.lock`, { timeout: 250 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}

function rowToEnvelope(row: Row): EventEnvelope {
  const { id, type, source, sequence, installation, time, data, traceparent, tracestate } = row;
  return {
    ...{ id, type, source, sequence, installation, time, data },
    ...(traceparent === null ? {} : { traceparent }),
    ...(tracestate === null ? {} : { tracestate }),
  };
}
