import { Fault } from '@lastcall/kernel';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { isSqliteError, sqliteFault, syncFault } from './sqlite-faults.js';

/*
 * Writes that come together become one transaction, and one wait for the disk. SQLite appends a transaction to the log
 * (synchronous NORMAL); the wait is ours, and another thread's, so that the rest of the process goes on meanwhile. What
 * comes during a wait is the next transaction.
 *
 * Each promise resolves after the wait: of a write, and of a read that saw what is still on its way to the disk. So
 * nobody can tell this from a commit that waits by itself. A write that throws of its own accord (a step's error, a
 * duplicate key) has written nothing of itself and leaves the others alone; an error of the database fails all of them,
 * and none of them is written.
 *
 * After a wait that failed nobody knows what the disk has, and asking it again may bring a yes that is not true. So that
 * is the end of the queue: who starts anew reads what is really there.
 */

/** `power`: survives a power cut when it resolves. `process`: survives the process; what follows it makes it durable. */
export type Durability = 'power' | 'process';

interface Write {
  readonly durability: Durability;
  readonly run: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** So that a burst does not hold the thread for long. */
const MAX_BATCH = 256;

export class CommitQueue {
  private waiting: Write[] = [];
  private scheduled = false;
  private closed = false;
  /** While something that was written is on its way to the disk. */
  private syncing: Promise<void> | undefined;
  private failure: Fault | undefined;
  private readonly totalChanges: StatementSync;

  /** `sync` resolves when everything in the log is on the disk. */
  constructor(
    private readonly db: DatabaseSync,
    private readonly file: string,
    private readonly sync: () => Promise<void>,
  ) {
    this.totalChanges = db.prepare('SELECT total_changes() AS rows');
  }

  /** `run` is synchronous; it throws before it has written anything, or not at all, unless the database fails. */
  write<T>(run: () => T, durability: Durability = 'power'): Promise<T> {
    const refusal = this.refusal();
    if (refusal) return Promise.reject(refusal);
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ durability, run, resolve, reject });
      this.schedule();
    });
  }

  /** Reads outside of a transaction, with the database's errors in our words. */
  async read<T>(run: () => T): Promise<T> {
    const result = this.atOnce(run);
    // A log is recovered up to a point, in the order of its writing: what was seen may not be lost once it is known.
    if (this.syncing) await this.syncing;
    return result;
  }

  /** The same without a wait, for what is nobody's business but the store's. */
  atOnce<T>(run: () => T): T {
    const refusal = this.refusal();
    if (refusal) throw refusal;
    return this.translated(run);
  }

  /** Commits what waits and takes nothing more. */
  async close(): Promise<void> {
    this.closed = true;
    while (this.waiting.length > 0 || this.syncing) {
      // Whoever wrote it is told.
      if (this.syncing) await this.syncing.catch(() => undefined);
      else this.commitBatch();
    }
  }

  isOpen(): boolean {
    return !this.refusal();
  }

  private refusal(): Fault | undefined {
    return this.failure ?? (this.closed ? new Fault(`the database ${this.file} is closed`) : undefined);
  }

  private schedule(): void {
    if (this.scheduled || this.syncing) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.commitBatch();
      if (this.waiting.length > 0) this.schedule();
    });
  }

  private commitBatch(): void {
    if (this.syncing) return;
    const batch = this.waiting.splice(0, MAX_BATCH);
    if (batch.length === 0) return;
    try {
      if (this.failure) throw this.failure;
      const before = this.changes();
      const settle = this.translated(() => this.transaction(batch));
      const mustWait = batch.some(({ durability }) => durability === 'power') && this.changes() !== before;
      if (mustWait) this.settleLater(batch, settle);
      else settle.forEach((done) => done());
    } catch (fault) {
      batch.forEach(({ reject }) => reject(fault));
    }
  }

  private changes(): unknown {
    return this.totalChanges.get()?.['rows'];
  }

  private settleLater(batch: readonly Write[], settle: readonly (() => void)[]): void {
    this.syncing = this.sync().then(
      () => {
        this.syncing = undefined;
        settle.forEach((done) => done());
        if (this.waiting.length > 0) this.schedule();
      },
      (cause: unknown) => {
        this.syncing = undefined;
        const failure = syncFault(this.file, cause);
        this.failure = failure;
        for (const { reject } of [...batch, ...this.waiting.splice(0)]) reject(failure);
        throw failure;
      },
    );
    // Readers who wait for it are told; often there are none.
    this.syncing.catch(() => undefined);
  }

  /** Answers how each write is to be settled once the transaction is over. */
  private transaction(batch: readonly Write[]): (() => void)[] {
    this.db.exec('BEGIN IMMEDIATE');
    try {
      const settle = batch.map((write) => this.attempt(write));
      this.db.exec('COMMIT');
      return settle;
    } catch (error) {
      // Some errors (disk full) end the transaction by themselves.
      if (this.db.isTransaction) this.db.exec('ROLLBACK');
      throw error;
    }
  }

  private attempt({ run, resolve, reject }: Write): () => void {
    try {
      const result = run();
      return () => resolve(result as never);
    } catch (error) {
      if (isSqliteError(error)) throw error;
      return () => reject(error);
    }
  }

  private translated<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw isSqliteError(error) ? sqliteFault(this.file, error) : error;
    }
  }
}
