import { DAY_MS, Defect, isRejected, run, type Decider } from '@lastcall/kernel';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readOrderEvent, type OrderBook, type OrderCommand, type OrderEvent } from './domain/order-book.js';
import { noteWrite, syncFolder } from './files.js';

/*
 * What happened to the orders of this host, on the disk before anything else happens (SQLite in WAL mode, synchronous FULL: a write that
 * was torn by a crash is not there, and everything before it is). The order book is the fold of it.
 *
 * An order that was finished long ago and confirmed is forgotten when the journal is opened; the highest fence never is.
 */

export interface Journal {
  readonly book: OrderBook;
  /** Decides all commands one after the other and records their events in one write. Answers the events. */
  record(...commands: readonly OrderCommand[]): readonly OrderEvent[];
  close(): void;
}

const KEEP_MS = 30 * DAY_MS;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, order_id TEXT NOT NULL, event TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS fence (id INTEGER PRIMARY KEY CHECK (id = 1), highest INTEGER NOT NULL);
  INSERT OR IGNORE INTO fence VALUES (1, 0);
`;

export function openJournal(
  file: string,
  decider: Decider<OrderBook, OrderCommand, OrderEvent>,
  now: () => number = Date.now,
): Journal {
  const database = new DatabaseSync(file);
  database.exec(SCHEMA);
  // Its name too: a fence that was seen must not be forgotten.
  syncFolder(dirname(file));
  forget(database, replay(database, decider), now());
  let book = replay(database, decider);
  const insert = database.prepare('INSERT INTO events (order_id, event) VALUES (?, ?)');
  const raise = database.prepare('UPDATE fence SET highest = ? WHERE highest < ?');
  return {
    get book() {
      return book;
    },
    record: (...commands) => {
      const { next, events } = decideAll(decider, book, commands);
      if (events.length === 0) return events;
      database.exec('BEGIN IMMEDIATE');
      try {
        for (const event of events) insert.run(idOf(event), JSON.stringify(event));
        raise.run(next.fence, next.fence);
        database.exec('COMMIT');
        noteWrite('committed', file);
      } catch (error) {
        // Some errors (disk full) end the transaction by themselves.
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
      book = next;
      return events;
    },
    close: () => database.close(),
  };
}

/** Whether the journal could not be written because there is no room on its disk. */
export function isOutOfSpace(error: unknown): boolean {
  const { code, errcode = 0 } = error as { readonly code?: unknown; readonly errcode?: number };
  return code === 'ERR_SQLITE_ERROR' && OUT_OF_SPACE.includes(errcode & 0xff);
}

/** SQLITE_FULL; SQLITE_IOERR where a file beside the database could not grow. https://sqlite.org/rescode.html */
const OUT_OF_SPACE: readonly number[] = [13, 10];

/** The order book as it is on the disk, beside an agent that may be running. Undefined: there is no journal. */
export function readJournal(
  file: string,
  decider: Decider<OrderBook, OrderCommand, OrderEvent>,
): OrderBook | undefined {
  if (!existsSync(file)) return undefined;
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return replay(database, decider);
  } finally {
    database.close();
  }
}

function decideAll(
  decider: Decider<OrderBook, OrderCommand, OrderEvent>,
  book: OrderBook,
  commands: readonly OrderCommand[],
): { next: OrderBook; events: OrderEvent[] } {
  const events: OrderEvent[] = [];
  let next = book;
  for (const command of commands) {
    const decision = run(decider, next, command);
    if (isRejected(decision)) throw new Defect(`${command.type}: ${decision.message}`);
    events.push(...decision.events);
    next = decision.state;
  }
  return { next, events };
}

function replay(database: DatabaseSync, decider: Decider<OrderBook, OrderCommand, OrderEvent>): OrderBook {
  const { highest } = database.prepare('SELECT highest FROM fence').get() as { highest: number };
  let book: OrderBook = { ...decider.initial, fence: highest };
  for (const row of database.prepare('SELECT event FROM events ORDER BY seq').iterate()) {
    const event = readOrderEvent(JSON.parse(row['event'] as string) as OrderEvent);
    if (event) book = decider.evolve(book, event);
  }
  return book;
}

function forget(database: DatabaseSync, book: OrderBook, now: number): void {
  const remove = database.prepare('DELETE FROM events WHERE order_id = ?');
  for (const [id, state] of book.orders) {
    if (state.phase === 'finished' && state.stored && state.result.finishedAt < now - KEEP_MS) remove.run(id);
  }
}

function idOf(event: OrderEvent): string {
  return typeof event.order === 'string' ? event.order : event.order.order;
}
