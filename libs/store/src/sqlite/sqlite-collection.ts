import type { EventEnvelope } from '@lastcall/contracts';
import { Defect } from '@lastcall/kernel';
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Collection, CollectionSpec, CountQuery, Document, Page, Query, Step } from '../port.js';
import { DuplicateKey } from '../port.js';
import { checkLimit, nextField, planQuery } from '../query-plan.js';
import { formatSource, remember, say, type TraceContext } from '../say.js';
import { checkDocumentId, encodeData, fieldValues, indexedFields } from '../spec.js';
import type { CommitQueue } from './commit-queue.js';
import type { EventTables } from './event-tables.js';
import { columnName, tableName, toSql } from './schema.js';
import { violatedColumns } from './sqlite-faults.js';
import { planToSql, type Statement } from './sql-query.js';

/** What a collection has from its store. */
export interface CollectionParts {
  readonly db: DatabaseSync;
  readonly queue: CommitQueue;
  readonly events: EventTables;
  readonly service: string;
  readonly now: () => number;
  readonly trace: () => TraceContext;
  /** Called when a write has put something into an outbox. */
  readonly said: () => void;
}

/** A document's row; without `data` it is what a removed document leaves behind. */
interface Row {
  readonly version: number;
  readonly data: string | null;
  readonly inbox: string;
  readonly saidAt: number;
}

const NEW: Row = { version: 0, data: null, inbox: '[]', saidAt: 0 };

/**
 * One table. The process is the only writer and each write is one turn without a wait, so a step runs once: there is
 * nobody to compare with.
 */
export class SqliteCollection<T extends object> implements Collection<T> {
  readonly name: string;
  private readonly fields: readonly string[];
  private readonly select: StatementSync;
  private readonly upsert: StatementSync;
  private readonly delete: StatementSync;
  private readonly statements = new Map<string, StatementSync>();

  constructor(
    private readonly spec: CollectionSpec<T>,
    private readonly parts: CollectionParts,
  ) {
    this.name = spec.name;
    this.fields = indexedFields(spec.indexes);
    const table = tableName(spec.name);
    this.select = parts.db.prepare(`SELECT version, data, inbox, said_at AS saidAt FROM ${table} WHERE id = ?`);
    const columns = ['version', 'data', 'inbox', 'said_at', 'gone_at', ...this.fields.map(columnName)];
    this.upsert = parts.db.prepare(
      `INSERT INTO ${table} (id, ${columns.join(', ')}) VALUES (?, ${columns.map(() => '?').join(', ')})
       ON CONFLICT (id) DO UPDATE SET ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}`,
    );
    this.delete = parts.db.prepare(`DELETE FROM ${table} WHERE id = ?`);
  }

  async get(id: string): Promise<Document<T> | undefined> {
    const row = await this.parts.queue.read(() => this.row(id));
    if (row.data === null) return undefined;
    return { id, version: row.version, data: JSON.parse(row.data) as T };
  }

  async change<R>(id: string, step: Step<T, R>): Promise<R> {
    checkDocumentId(this.name, id);
    const trace = this.parts.trace();
    return this.write(() => this.applyStep(id, this.row(id), step, trace));
  }

  async take<R>(
    id: string,
    event: EventEnvelope,
    step: Step<T, R>,
  ): Promise<{ taken: true; result: R } | { taken: false }> {
    checkDocumentId(this.name, id);
    const trace = this.parts.trace();
    return this.write(() => {
      const row = this.row(id);
      const inbox = JSON.parse(row.inbox) as string[];
      if (inbox.includes(event.id)) return { taken: false };
      const marked = { ...row, inbox: JSON.stringify(remember(inbox, event.id)) };
      return { taken: true, result: this.applyStep(id, marked, step, trace) };
    });
  }

  async insertMany(documents: readonly { id: string; data: T }[]): Promise<readonly string[]> {
    const rows = documents.map(({ id, data }) => {
      checkDocumentId(this.name, id);
      return { id, data, json: encodeData(`${this.name}/${id}`, data) };
    });
    return this.write(() => {
      const existing: string[] = [];
      let duplicate: DuplicateKey | undefined;
      for (const { id, data, json } of rows) {
        const row = this.row(id);
        if (row.data !== null) existing.push(id);
        else duplicate = this.tryPut(id, { ...row, version: row.version + 1, data: json }, data) ?? duplicate;
      }
      if (duplicate) throw duplicate;
      return existing;
    });
  }

  async remove(id: string, version?: number): Promise<boolean> {
    return this.write(() => {
      const row = this.row(id);
      if (row.data === null || (version !== undefined && version !== row.version)) return false;
      this.refusePending(id);
      this.removeRow(id, row);
      return true;
    });
  }

  async removeMany(ids: readonly string[]): Promise<number> {
    return this.write(() => {
      const there = [...new Set(ids)].map((id) => ({ id, row: this.row(id) })).filter(({ row }) => row.data !== null);
      there.forEach(({ id }) => this.refusePending(id));
      there.forEach(({ id, row }) => this.removeRow(id, row));
      return there.length;
    });
  }

  async query(query: Query): Promise<Page<Document<T>>> {
    checkLimit(query.limit);
    const plan = planQuery(this.spec, query);
    const rows = await this.all(planToSql(this.name, plan, query.limit + 1));
    const items = rows.slice(0, query.limit).map((row) => rowToDocument<T>(row));
    const last = rows[query.limit - 1];
    if (rows.length <= query.limit || last === undefined) return { items };
    const values = plan.sort.map((field) => last[columnName(field)] as string | number);
    return { items, nextPageToken: plan.token({ values, id: last['id'] as string }) };
  }

  async count(query: CountQuery): Promise<number> {
    const plan = planQuery(this.spec, query);
    const what = query.distinct === true ? { distinct: nextField(plan) } : 'count';
    const [row] = await this.all(planToSql(this.name, plan, what));
    return row?.['count'] as number;
  }

  /** One write; whoever waits for the outbox hears of it after the commit. */
  private async write<R>(run: () => R): Promise<R> {
    return this.parts.queue.write(run);
  }

  private applyStep<R>(id: string, row: Row, step: Step<T, R>, trace: TraceContext): R {
    const now = this.parts.now();
    const current = row.data === null ? undefined : (JSON.parse(row.data) as T);
    const change = step(current, { now, version: row.version });
    if ('keep' in change) return change.keep;
    const source = formatSource(this.parts.service, this.name, id);
    const { version, saidAt, events } = say(source, row, change.events ?? [], now, trace);
    const data = encodeData(`${this.name}/${id}`, change.write);
    this.put(id, { version, saidAt, data, inbox: row.inbox }, change.write);
    for (const event of events) this.parts.events.add(event);
    if (events.length > 0) this.parts.said();
    return change.result;
  }

  private put(id: string, row: Row, data: T): void {
    const values = fieldValues(this.spec, data);
    const columns = this.fields.map((field) => toSql(values[field]));
    try {
      this.upsert.run(id, row.version, row.data, row.inbox, row.saidAt, null, ...columns);
    } catch (error) {
      throw this.duplicateKey(error) ?? error;
    }
  }

  private tryPut(id: string, row: Row, data: T): DuplicateKey | undefined {
    try {
      this.put(id, row, data);
      return undefined;
    } catch (error) {
      if (error instanceof DuplicateKey) return error;
      throw error;
    }
  }

  private duplicateKey(error: unknown): DuplicateKey | undefined {
    const columns = violatedColumns(error)?.join();
    const index = this.spec.indexes.find(({ fields, unique }) => unique && fields.map(columnName).join() === columns);
    return index && new DuplicateKey(this.name, index.name);
  }

  private refusePending(id: string): void {
    const source = formatSource(this.parts.service, this.name, id);
    if (this.parts.events.hasPending(source)) throw new Defect(`${source} has events that were not published`);
  }

  /**
   * The next document of this id must not say its events under numbers that were said already, so the version of one
   * that has said any stays, and with it the marks of what it took in.
   */
  private removeRow(id: string, row: Row): void {
    if (row.saidAt === 0 && row.inbox === '[]') this.delete.run(id);
    else {
      const noFields = this.fields.map(() => null);
      this.upsert.run(id, row.version, null, row.inbox, row.saidAt, this.parts.now(), ...noFields);
    }
  }

  private row(id: string): Row {
    return (this.select.get(id) as Row | undefined) ?? NEW;
  }

  private all({ sql, values }: Statement): Promise<Record<string, SQLOutputValue>[]> {
    return this.parts.queue.read(() => {
      let statement = this.statements.get(sql);
      if (!statement) this.statements.set(sql, (statement = this.parts.db.prepare(sql)));
      return statement.all(...values);
    });
  }
}

function rowToDocument<T>(row: Record<string, SQLOutputValue>): Document<T> {
  return {
    id: row['id'] as string,
    version: row['version'] as number,
    data: JSON.parse(row['data'] as string) as T,
  };
}
