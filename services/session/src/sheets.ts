import { DAY_MS, randomId } from '@lastcall/kernel';
import { pagesOf } from '@lastcall/store';
import { BY_EPOCH, BY_RUN, KEPT, type Documents, type SheetDocument } from './documents.js';
import { countsOf, enter, type Attendance, type AttendanceBook, type Fact } from './domain/attendance.js';
import type { Drain } from './domain/drain.js';
import type { DrainCounts } from './domain/gate-state.js';

/*
 * Facts about logoffs in the store: sheets of a thousand, added and never changed. Who asks for the numbers of a logoff reads all of its
 * sheets; who looks at a standing notice again and again reads those that are new.
 */

export interface SheetsOptions {
  readonly documents: Documents;
  readonly now: () => number;
}

export interface Taken {
  readonly received: boolean;
  readonly read: boolean;
}

interface Reading {
  readonly seen: Set<string>;
  /** By notice and session. */
  readonly taken: Map<string, Map<string, Taken>>;
  newestAt: number;
}

const CHUNK = 1_000;
const PAGE = 50;
const KEEP_RUN_MS = 400 * DAY_MS;
const KEEP_HAND_MS = DAY_MS;
/** Writers' clocks differ, and a write may be seen later than one with a later time. */
const OVERLAP_MS = 15_000;
/** Logoffs that are looked at at the same time. */
const READINGS = 16;

export class Sheets {
  private readonly readings = new Map<string, Reading>();

  constructor(private readonly options: SheetsOptions) {}

  /** Resolves when they are durable. */
  async add(batch: readonly { readonly drain: Drain; readonly facts: readonly Fact[] }[]): Promise<void> {
    const createdAt = this.options.now();
    const documents = batch.flatMap(({ drain, facts }) =>
      chunks(facts).map((chunk) => {
        const keepUntil = createdAt + (drain.run === '' ? KEEP_HAND_MS : KEEP_RUN_MS);
        return { id: randomId('t'), data: { ...drain, facts: chunk, createdAt, keepUntil } };
      }),
    );
    await this.options.documents.sheets.insertMany(documents);
  }

  /** Of one logoff, over all replicas. */
  async counts(installation: string, epoch: number): Promise<DrainCounts> {
    const book: AttendanceBook = new Map();
    for await (const { data } of this.pages(BY_EPOCH, { installation, epoch })) enterAll(book, data);
    return countsOf(book);
  }

  /** Of a run, by session id. */
  async attendance(installation: string, run: string): Promise<readonly Attendance[]> {
    const book: AttendanceBook = new Map();
    for await (const { data } of this.pages(BY_RUN, { installation, run })) enterAll(book, data);
    return [...book.values()].sort((a, b) => (a.session < b.session ? -1 : 1));
  }

  /** How the sessions took this notice, as far as it is written. */
  async taken(installation: string, epoch: number, notice: string): Promise<ReadonlyMap<string, Taken>> {
    const reading = this.readingOf(`${installation}/${epoch}`);
    const range = { field: 'created_at', from: reading.newestAt - OVERLAP_MS };
    for await (const { id, data } of this.pages(BY_EPOCH, { installation, epoch }, range)) {
      if (reading.seen.has(id)) continue;
      reading.seen.add(id);
      reading.newestAt = Math.max(reading.newestAt, data.createdAt);
      for (const fact of data.facts) take(reading, fact);
    }
    return reading.taken.get(notice) ?? new Map<string, Taken>();
  }

  private readingOf(key: string): Reading {
    const reading = this.readings.get(key) ?? { seen: new Set(), taken: new Map(), newestAt: OVERLAP_MS };
    this.readings.delete(key);
    this.readings.set(key, reading);
    const [oldest] = this.readings.keys();
    if (this.readings.size > READINGS && oldest !== undefined) this.readings.delete(oldest);
    return reading;
  }

  private async *pages(
    index: string,
    where: Readonly<Record<string, string | number>>,
    range?: { readonly field: string; readonly from: number },
  ): AsyncIterable<{ readonly id: string; readonly data: SheetDocument }> {
    const query = { index, where, limit: PAGE, ...(range && { range }) };
    for await (const page of pagesOf(this.options.documents.sheets, query)) yield* page;
  }

  /** Removes what nobody asks for any more. */
  async forget(): Promise<void> {
    const { sheets } = this.options.documents;
    const range = { field: 'keep_until', below: this.options.now() };
    const { items } = await sheets.query({ index: KEPT, range, limit: PAGE });
    if (items.length > 0) await sheets.removeMany(items.map(({ id }) => id));
  }
}

function chunks(facts: readonly Fact[]): Fact[][] {
  const parts: Fact[][] = [];
  for (let i = 0; i < facts.length; i += CHUNK) parts.push(facts.slice(i, i + CHUNK));
  return parts;
}

function enterAll(book: AttendanceBook, { facts }: SheetDocument): void {
  for (const fact of facts) enter(book, fact);
}

function take({ taken }: Reading, { session, notice, receivedAt, readAt }: Fact): void {
  if (notice === undefined) return;
  const sessions = taken.get(notice) ?? new Map<string, Taken>();
  taken.set(notice, sessions);
  const known = sessions.get(session);
  sessions.set(session, {
    received: known?.received === true || receivedAt !== undefined,
    read: known?.read === true || readAt !== undefined,
  });
}
