import type { Logger } from '@lastcall/runtime';
import type { Documents } from './documents.js';
import type { Fact } from './domain/attendance.js';
import type { Drain } from './domain/drain.js';
import type { Sheets } from './sheets.js';

/*
 * What becomes of sessions, written in batches: how their users took a notice, and the documents of those that are gone. The facts are
 * written before the documents that they are about are removed, so that whoever sees zero sees the facts.
 */

export interface Gone {
  readonly installation: string;
  /** Of the document. */
  readonly id: string;
}

export interface LedgerOptions {
  readonly documents: Documents;
  readonly sheets: Sheets;
  readonly log: Logger;
  /** Told which installations have fewer sessions now. */
  removed(installations: ReadonlySet<string>): void;
}

interface Pending {
  readonly drain: Drain;
  readonly facts: Fact[];
}

const CHUNK = 1_000;
/** Acknowledgements of thousands come within a moment; nobody waits longer than this to see them. */
const SOON_MS = 100;

export class Ledger {
  private pending = new Map<string, Pending>();
  private gone: Gone[] = [];
  private readonly going = new Set<string>();
  private writing: Promise<void> | undefined;
  private next: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: LedgerOptions) {}

  note(drain: Drain, fact: Fact): void {
    const key = `${drain.installation}/${drain.epoch}`;
    let pending = this.pending.get(key);
    if (!pending) {
      pending = { drain, facts: [] };
      this.pending.set(key, pending);
    }
    pending.facts.push(fact);
    this.timer ??= setTimeout(() => this.flushLater('facts about a logoff could not be written yet'), SOON_MS).unref();
  }

  /** The session is as good as over; its document goes when its user has saved. */
  expect({ id }: Gone): void {
    this.going.add(id);
  }

  /** The session is over; its document goes with the next batch. */
  remove(gone: Gone): void {
    this.gone.push(gone);
    this.going.add(gone.id);
    this.flushLater('ended sessions could not be removed yet');
  }

  /** Whether the document is on its way out: nobody comes back to it. */
  isGoing(id: string): boolean {
    return this.going.has(id);
  }

  /** What fails stays here and goes with the next look. */
  private flushLater(problem: string): void {
    this.flush().catch((err: unknown) => this.options.log.warn({ err }, problem));
  }

  /**
   * Resolves when everything up to now is in the store; throws when it could not be written and stays here. One batch at a
   * time; what comes meanwhile goes together with the next one.
   */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.writing) {
      this.writing = this.write().finally(() => (this.writing = undefined));
      return this.writing;
    }
    this.next ??= this.writing
      .catch(() => undefined) // Whoever began it is told.
      .then(() => {
        this.next = undefined;
        return this.flush();
      });
    return this.next;
  }

  private async write(): Promise<void> {
    const { sessions } = this.options.documents;
    // What is said in this turn belongs together: a thousand who leave are one batch.
    await Promise.resolve();
    const batch = this.gone;
    this.gone = [];
    try {
      await this.writeFacts();
      for (let i = 0; i < batch.length; i += CHUNK) {
        await sessions.removeMany(batch.slice(i, i + CHUNK).map(({ id }) => id));
      }
    } catch (error) {
      this.gone = [...batch, ...this.gone];
      throw error;
    }
    for (const { id } of batch) this.going.delete(id);
    if (batch.length > 0) this.options.removed(new Set(batch.map(({ installation }) => installation)));
  }

  private async writeFacts(): Promise<void> {
    const batch = [...this.pending.values()];
    if (batch.length === 0) return;
    this.pending = new Map();
    try {
      await this.options.sheets.add(batch);
    } catch (error) {
      for (const { drain, facts } of batch) for (const fact of facts) this.note(drain, fact);
      throw error;
    }
  }
}
