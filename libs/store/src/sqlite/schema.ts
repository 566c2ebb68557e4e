import { Defect } from '@lastcall/kernel';
import type { DatabaseSync } from 'node:sqlite';
import { DuplicateKey, type CollectionSpec, type FieldValue, type IndexSpec } from '../port.js';
import { REMEMBER_REMOVED_MS } from '../say.js';
import { fieldValues, indexedFields, indexSignature } from '../spec.js';
import { EVENT_SCHEMA } from './event-tables.js';
import { violatedColumns } from './sqlite-faults.js';

/*
 * The file's tables. Each collection is a table `c_{name}`: the document as JSON text, and a column `f_{field}` for each
 * indexed field. A removed document that has said or taken in events stays as a row without data, see the README.
 */

/** PRAGMA user_version; a file of a later one is left alone. */
const FORMAT = 1;

export function prepareFile(db: DatabaseSync): void {
  const { user_version: format } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (format > FORMAT)
    throw new Defect(`the database was written by a newer Lastcall (format ${format}); use that one`);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY');
  if (format < FORMAT) {
    inTransaction(db, () =>
      db.exec(`${EVENT_SCHEMA}
        CREATE TABLE collections (name TEXT PRIMARY KEY, indexes TEXT NOT NULL) STRICT;
        PRAGMA user_version = ${FORMAT}`),
    );
  }
  // From here on the commit queue waits for the disk.
  db.exec('PRAGMA synchronous = NORMAL');
}

export const tableName = (collection: string): string => `c_${collection}`;
export const columnName = (field: string): string => `f_${field}`;
export const indexName = (collection: string, index: string): string => `i_${collection}__${index}`;

/** SQLite has no booleans. */
export function toSql(value: FieldValue | undefined): string | number | null {
  if (value === undefined) return null;
  return typeof value === 'boolean' ? Number(value) : value;
}

/** Makes the table and its indexes what the spec says; computes the fields of all documents again when it changed. */
export function buildCollection<T extends object>(db: DatabaseSync, spec: CollectionSpec<T>, now: number): void {
  const wanted = indexSignature(spec.indexes);
  const row = db.prepare('SELECT indexes FROM collections WHERE name = ?').get(spec.name);
  if (row) forgetRemoved(db, spec.name, now);
  if (row?.['indexes'] === wanted) return;
  inTransaction(db, () => {
    if (row === undefined) createTable(db, spec.name);
    dropIndexes(db, spec.name);
    addColumns(db, spec);
    computeFields(db, spec);
    for (const index of spec.indexes) createIndex(db, spec.name, index);
    db.prepare('INSERT OR REPLACE INTO collections (name, indexes) VALUES (?, ?)').run(spec.name, wanted);
  });
}

function createTable(db: DatabaseSync, collection: string): void {
  db.exec(`CREATE TABLE ${tableName(collection)} (
    id TEXT PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    data TEXT,
    inbox TEXT NOT NULL,
    said_at INTEGER NOT NULL,
    gone_at INTEGER
  ) STRICT;
  CREATE INDEX ${indexName(collection, '')} ON ${tableName(collection)} (gone_at) WHERE gone_at IS NOT NULL`);
}

function forgetRemoved(db: DatabaseSync, collection: string, now: number): void {
  db.prepare(`DELETE FROM ${tableName(collection)} WHERE gone_at < ?`).run(now - REMEMBER_REMOVED_MS);
}

function dropIndexes(db: DatabaseSync, collection: string): void {
  const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL");
  for (const { name } of names.all(tableName(collection)) as { name: string }[]) {
    if (name !== indexName(collection, '')) db.exec(`DROP INDEX ${name}`);
  }
}

function addColumns<T extends object>(db: DatabaseSync, spec: CollectionSpec<T>): void {
  const info = db.prepare('SELECT name FROM pragma_table_info(?)').all(tableName(spec.name)) as { name: string }[];
  const there = new Set(info.map(({ name }) => name));
  for (const column of indexedFields(spec.indexes).map(columnName)) {
    if (!there.has(column)) db.exec(`ALTER TABLE ${tableName(spec.name)} ADD COLUMN ${column} ANY`);
  }
}

function computeFields<T extends object>(db: DatabaseSync, spec: CollectionSpec<T>): void {
  const fields = indexedFields(spec.indexes);
  if (fields.length === 0) return;
  const assignments = fields.map((field) => `${columnName(field)} = ?`).join(', ');
  const update = db.prepare(`UPDATE ${tableName(spec.name)} SET ${assignments} WHERE id = ?`);
  const rows = db.prepare(`SELECT id, data FROM ${tableName(spec.name)} WHERE data IS NOT NULL`).all();
  for (const { id, data } of rows as { id: string; data: string }[]) {
    const values = fieldValues(spec, JSON.parse(data) as T);
    update.run(...fields.map((field) => toSql(values[field])), id);
  }
}

function createIndex(db: DatabaseSync, collection: string, index: IndexSpec): void {
  const columns = index.fields.map(columnName);
  const standing = ['data', ...columns].map((column) => `${column} IS NOT NULL`).join(' AND ');
  // By id behind the fields, so that the index alone gives the order; a unique index has no two to be ordered.
  const keys = index.unique === true ? columns : [...columns, 'id'];
  const kind = index.unique === true ? 'UNIQUE INDEX' : 'INDEX';
  const name = indexName(collection, index.name);
  try {
    db.exec(`CREATE ${kind} ${name} ON ${tableName(collection)} (${keys.join(', ')}) WHERE ${standing}`);
  } catch (error) {
    throw violatedColumns(error) ? new DuplicateKey(collection, index.name) : error;
  }
}

function inTransaction(db: DatabaseSync, run: () => void): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    run();
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
