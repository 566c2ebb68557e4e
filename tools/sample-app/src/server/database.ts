import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/*
 * Encore's data: one SQLite file. Its version is the database's `user_version`; each step of MIGRATIONS leads to the next one, inside
 * one transaction, so an interrupted migration never happened.
 */

const MIGRATIONS: readonly string[] = [
  // 1: 11.0.0
  `CREATE TABLE bookings (
     id INTEGER PRIMARY KEY, event TEXT NOT NULL, seat TEXT NOT NULL, customer TEXT NOT NULL,
     booked_by TEXT NOT NULL, booked_at TEXT NOT NULL, UNIQUE (event, seat));
   CREATE TABLE drafts (user TEXT PRIMARY KEY, text TEXT NOT NULL, saved_at TEXT NOT NULL);`,
  // 2: 11.1.0, a waiting list, and notes on bookings
  `CREATE TABLE waiting (id INTEGER PRIMARY KEY, event TEXT NOT NULL, customer TEXT NOT NULL);
   ALTER TABLE bookings ADD COLUMN note TEXT NOT NULL DEFAULT '';`,
  // 3: 11.2.0, customers in a table of their own; there is no way back but the backup
  `CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
   INSERT INTO customers (name) SELECT DISTINCT customer FROM bookings;
   ALTER TABLE bookings ADD COLUMN customer_id INTEGER;
   UPDATE bookings SET customer_id = (SELECT id FROM customers WHERE name = customer);
   ALTER TABLE bookings DROP COLUMN customer;`,
];

export function databaseFile(dataDir: string): string {
  return join(dataDir, 'encore.db');
}

export function openDatabase(dataDir: string, options: { readOnly?: boolean } = {}): DatabaseSync {
  mkdirSync(dataDir, { recursive: true });
  const database = new DatabaseSync(databaseFile(dataDir), { readOnly: options.readOnly ?? false, timeout: 5_000 });
  if (!options.readOnly) database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  return database;
}

export function schemaOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
}

/** Brings the data to `schema`; does nothing when it is there. Older programs refuse newer data. */
export function migrate(database: DatabaseSync, schema: number): void {
  const found = schemaOf(database);
  if (found > schema) throw new Error(`the data is of schema ${found}; this version knows ${schema} at most`);
  for (let next = found; next < schema; next++) {
    database.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[next]} PRAGMA user_version = ${next + 1}; COMMIT;`);
  }
}

export interface Booking {
  readonly event: string;
  readonly seat: string;
  readonly customer: string;
  readonly bookedBy: string;
}

/** False when the seat is taken. */
export function book(database: DatabaseSync, { event, seat, customer, bookedBy }: Booking): boolean {
  const insert = `INSERT INTO bookings (event, seat, customer, booked_by, booked_at) VALUES (?, ?, ?, ?, ?)
                  ON CONFLICT DO NOTHING`;
  return database.prepare(insert).run(event, seat, customer, bookedBy, new Date().toISOString()).changes === 1;
}

export function bookings(database: DatabaseSync): readonly Record<string, unknown>[] {
  return database.prepare('SELECT * FROM bookings ORDER BY id').all();
}

export function saveDraft(database: DatabaseSync, user: string, text: string): void {
  const upsert = `INSERT INTO drafts (user, text, saved_at) VALUES (?, ?, ?)
                  ON CONFLICT (user) DO UPDATE SET text = excluded.text, saved_at = excluded.saved_at`;
  database.prepare(upsert).run(user, text, new Date().toISOString());
}

export function drafts(database: DatabaseSync): readonly Record<string, unknown>[] {
  return database.prepare('SELECT * FROM drafts ORDER BY user').all();
}

export function addToWaitingList(database: DatabaseSync, event: string, customer: string): void {
  database.prepare('INSERT INTO waiting (event, customer) VALUES (?, ?)').run(event, customer);
}

export function waitingList(database: DatabaseSync): readonly Record<string, unknown>[] {
  return database.prepare('SELECT * FROM waiting ORDER BY id').all();
}
