import { Fault } from '@lastcall/kernel';
import type { DatabaseSync } from 'node:sqlite';
import { isSqliteError, sqliteFault } from './sqlite-faults.js';

/*
 * Writes of one turn of the event loop become one transaction, and one wait for the disk. Each promise resolves after
 * the commit. A write that throws of its own accord (a step's error, a duplicate key) has written nothing of itself
 * and leaves the others alone; an error of the database fails all of them, and none of them is written.
 *
 * The connection belongs to this queue while it commits; the batch runs without giving up the thread, so nobody reads
 * what is not committed.
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
  private synchronous: Durability = 'power';

  constructor(
    private readonly db: DatabaseSync,
    private readonly file: string,
  ) {}

  /** `run` is synchronous; it throws before it has written anything, or not at all, unless the database fails. */
  write<T>(run: () => T, durability: Durability = 'power'): Promise<T> {
    if (this.closed) return Promise.reject(new Fault(`the database ${this.file} is closed`));
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ durability, run, resolve, reject });
      this.schedule();
    });
  }

  /** Reads outside of a transaction, with the database's errors in our words. */
  read<T>(run: () => T): T {
    if (this.closed) throw new Fault(`the database ${this.file} is closed`);
    return this.translated(run);
  }

  /** Commits what waits and takes nothing more. */
  close(): void {
    while (this.waiting.length > 0) this.commitBatch();
    this.closed = true;
  }

  isOpen(): boolean {
    return !this.closed;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.commitBatch();
      if (this.waiting.length > 0) this.schedule();
    });
  }

  private commitBatch(): void {
    const batch = this.waiting.splice(0, MAX_BATCH);
    if (batch.length === 0) return;
    try {
      const settle = this.translated(() => this.transaction(batch));
      settle.forEach((done) => done());
    } catch (fault) {
      batch.forEach(({ reject }) => reject(fault));
    }
  }

  /** Answers how each write is to be settled once the transaction is over. */
  private transaction(batch: readonly Write[]): (() => void)[] {
    this.setSynchronous(batch.some(({ durability }) => durability === 'power') ? 'power' : 'process');
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

  /**
   * A write-ahead log is recovered up to a point, in the order of its writing. So what need not be durable by itself may
   * wait for the next commit that is: nothing later can survive without it.
   */
  private setSynchronous(durability: Durability): void {
    if (this.synchronous === durability) return;
    this.db.exec(`PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
    this.synchronous = durability;
  }

  private translated<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw isSqliteError(error) ? sqliteFault(this.file, error) : error;
    }
  }
}
