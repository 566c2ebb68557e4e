import type { EventEnvelope } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS } from '@lastcall/kernel';
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { ARCHIVE_DAYS, type Page } from '../port.js';
import { readToken, writeToken, type Cursor } from '../query-plan.js';
import { envelope } from '../say.js';

/*
 * Outbox and archive, for all collections of the file. An event's id is its source and sequence, so it is not stored.
 */

export const EVENT_SCHEMA = `
  CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL, sequence INTEGER NOT NULL, time INTEGER NOT NULL, type TEXT NOT NULL,
    installation TEXT NOT NULL, data BLOB NOT NULL, traceparent TEXT, tracestate TEXT,
    UNIQUE (source, sequence)
  ) STRICT;
  CREATE TABLE archive (
    source TEXT NOT NULL, sequence INTEGER NOT NULL, time INTEGER NOT NULL, type TEXT NOT NULL,
    installation TEXT NOT NULL, data BLOB NOT NULL, traceparent TEXT, tracestate TEXT,
    kept_since INTEGER NOT NULL,
    UNIQUE (time, source, sequence)
  ) STRICT;
  CREATE INDEX archive_age ON archive (kept_since);
`;

const COLUMNS = 'source, sequence, time, type, installation, data, traceparent, tracestate';
const VALUES = '?, ?, ?, ?, ?, ?, ?, ?';
const PRUNE_EVERY_MS = HOUR_MS;
/** At most this many at once, so that a prune does not hold the thread. */
const PRUNE_BATCH = 500;

export class EventTables {
  private readonly insertPending: StatementSync;
  private readonly selectPending: StatementSync;
  private readonly selectOne: StatementSync;
  private readonly deletePending: StatementSync;
  private readonly insertArchived: StatementSync;
  private readonly selectArchived: StatementSync;
  private readonly deleteArchived: StatementSync;
  private pruneAt = 0;

  constructor(db: DatabaseSync) {
    this.insertPending = db.prepare(`INSERT INTO outbox (${COLUMNS}) VALUES (${VALUES})`);
    this.selectPending = db.prepare(`SELECT ${COLUMNS} FROM outbox ORDER BY position LIMIT ?`);
    this.selectOne = db.prepare('SELECT 1 FROM outbox WHERE source = ? LIMIT 1');
    this.deletePending = db.prepare('DELETE FROM outbox WHERE source = ? AND sequence = ?');
    this.insertArchived = db.prepare(
      `INSERT INTO archive (${COLUMNS}, kept_since) VALUES (${VALUES}, ?) ON CONFLICT DO NOTHING`,
    );
    this.selectArchived = db.prepare(
      `SELECT ${COLUMNS} FROM archive WHERE (time, source, sequence) > (?, ?, ?)
       ORDER BY time, source, sequence LIMIT ?`,
    );
    this.deleteArchived = db.prepare(
      `DELETE FROM archive WHERE rowid IN (SELECT rowid FROM archive WHERE kept_since < ? LIMIT ${PRUNE_BATCH})`,
    );
  }

  add(event: EventEnvelope): void {
    this.insertPending.run(...eventToRow(event));
  }

  pending(limit: number): readonly EventEnvelope[] {
    return this.selectPending.all(limit).map(rowToEvent);
  }

  hasPending(source: string): boolean {
    return this.selectOne.get(source) !== undefined;
  }

  clear(event: EventEnvelope): void {
    this.deletePending.run(event.source, event.sequence);
  }

  archive(event: EventEnvelope, now: number): void {
    this.insertArchived.run(...eventToRow(event), now);
    this.prune(now);
  }

  archived({ fromAt, limit, pageToken }: { fromAt: number; limit: number; pageToken?: string }): Page<EventEnvelope> {
    const scope = `archive from ${fromAt}`;
    const after: Cursor = pageToken === undefined ? BEGINNING(fromAt) : readToken(scope, 2, pageToken);
    const [time, sequence] = after.values as [number, number];
    const rows = this.selectArchived.all(time, after.id, sequence, limit + 1).map(rowToEvent);
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    if (rows.length <= limit || last === undefined) return { items };
    return { items, nextPageToken: writeToken(scope, { values: [last.time, last.sequence], id: last.source }) };
  }

  private prune(now: number): void {
    if (now < this.pruneAt) return;
    const { changes } = this.deleteArchived.run(now - ARCHIVE_DAYS * DAY_MS);
    // A full batch means that there is more: the next event takes it.
    if (Number(changes) < PRUNE_BATCH) this.pruneAt = now + PRUNE_EVERY_MS;
  }
}

/** Before every event of that time: no source is empty, no sequence is 0. */
const BEGINNING = (fromAt: number): Cursor => ({ values: [fromAt, 0], id: '' });

function eventToRow(event: EventEnvelope) {
  const { source, sequence, time, type, installation, data, traceparent, tracestate } = event;
  return [source, sequence, time, type, installation, data, traceparent ?? null, tracestate ?? null] as const;
}

function rowToEvent(row: Record<string, SQLOutputValue>): EventEnvelope {
  const event = row as unknown as EventEnvelope;
  return envelope(event, event.data, event);
}
