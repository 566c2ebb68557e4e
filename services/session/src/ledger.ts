import { randomId } from '@lastcall/kernel';
import type { Logger } from '@lastcall/runtime';
import { BY_EPOCH, CREATED, type Documents, type TallyDocument } from './documents.js';
import type { DrainCounts } from './domain/gate-state.js';

/*
 * What becomes of sessions, written in batches: who acknowledged, who left, who was ended, and the documents of those that are
 * gone. A tally is written before the documents that it counts are removed, so that whoever sees zero sees the counts.
 */

interface Entry {
  readonly installation: string;
  readonly epoch: number;
  readonly notice: string;
  readonly acknowledged: string[];
  left: number;
  ended: number;
}

export interface Gone {
  readonly installation: string;
  readonly epoch: number;
  /** Of the document. */
  readonly id: string;
  /** Absent: it does not count. */
  readonly fate?: 'left' | 'ended';
}

export interface LedgerOptions {
  readonly documents: Documents;
  readonly now: () => number;
  readonly log: Logger;
  /** Told which installations have fewer sessions now. */
  removed(installations: ReadonlySet<string>): void;
}

const CHUNK = 1_000;

export class Ledger {
  private entries = new Map<string, Entry>();
  private gone: { readonly id: string; readonly installation: string }[] = [];
  private writing: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(private readonly options: LedgerOptions) {}

  acknowledge(installation: string, epoch: number, notice: string, session: string): void {
    this.entryOf(installation, epoch, notice).acknowledged.push(session);
  }

  /** The session is over; its document goes with the next batch. */
  remove({ installation, epoch, id, fate }: Gone): void {
    if (fate) this.entryOf(installation, epoch, '')[fate]++;
    this.gone.push({ id, installation });
    // What fails stays here and goes with the next look.
    this.flush().catch((err: unknown) => this.options.log.warn({ err }, 'ended sessions could not be removed yet'));
  }

  /**
   * Resolves when everything up to now is in the store; throws when it could not be written and stays here. One batch at a
   * time; what comes meanwhile goes together with the next one.
   */
  flush(): Promise<void> {
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
    const batch = this.gone;
    this.gone = [];
    try {
      await this.writeTallies();
      for (let i = 0; i < batch.length; i += CHUNK) {
        await sessions.removeMany(batch.slice(i, i + CHUNK).map(({ id }) => id));
      }
    } catch (error) {
      this.gone = [...batch, ...this.gone];
      throw error;
    }
    if (batch.length > 0) this.options.removed(new Set(batch.map(({ installation }) => installation)));
  }

  private async writeTallies(): Promise<void> {
    const batch = [...this.entries.values()];
    if (batch.length === 0) return;
    this.entries = new Map();
    const createdAt = this.options.now();
    try {
      const documents = batch.flatMap(chunks).map((entry) => ({ id: randomId('t'), data: { ...entry, createdAt } }));
      await this.options.documents.tallies.insertMany(documents);
    } catch (error) {
      for (const entry of batch) this.putBack(entry);
      throw error;
    }
  }

  private putBack({ installation, epoch, notice, acknowledged, left, ended }: Entry): void {
    const entry = this.entryOf(installation, epoch, notice);
    entry.acknowledged.push(...acknowledged);
    entry.left += left;
    entry.ended += ended;
  }

  private entryOf(installation: string, epoch: number, notice: string): Entry {
    const key = `${installation}/${epoch}/${notice}`;
    let entry = this.entries.get(key);
    if (!entry) {
      entry = { installation, epoch, notice, acknowledged: [], left: 0, ended: 0 };
      this.entries.set(key, entry);
    }
    return entry;
  }

  /** Of one epoch, over all replicas. */
  async counts(installation: string, epoch: number): Promise<DrainCounts> {
    const acknowledged = new Set<string>();
    let [left, ended] = [0, 0];
    for (const tally of await this.read(installation, epoch)) {
      for (const session of tally.acknowledged) acknowledged.add(session);
      left += tally.left;
      ended += tally.ended;
    }
    return { acknowledged: acknowledged.size, left, ended };
  }

  /** Sessions that acknowledged this notice. */
  async acknowledged(installation: string, epoch: number, notice: string): Promise<ReadonlySet<string>> {
    const found = (await this.read(installation, epoch)).filter((tally) => tally.notice === notice);
    return new Set(found.flatMap((tally) => tally.acknowledged));
  }

  private async read(installation: string, epoch: number): Promise<TallyDocument[]> {
    const found: TallyDocument[] = [];
    let token: { pageToken?: string } = {};
    do {
      const where = { installation, epoch };
      const page = await this.options.documents.tallies.query({ index: BY_EPOCH, where, limit: CHUNK, ...token });
      found.push(...page.items.map(({ data }) => data));
      token = page.nextPageToken === undefined ? {} : { pageToken: page.nextPageToken };
    } while (token.pageToken !== undefined);
    return found;
  }

  /** Forgets tallies that nobody asks for any more. */
  async forget(createdBefore: number): Promise<void> {
    const { tallies } = this.options.documents;
    const range = { field: 'created_at', below: createdBefore };
    const { items } = await tallies.query({ index: CREATED, range, limit: CHUNK });
    if (items.length > 0) await tallies.removeMany(items.map(({ id }) => id));
  }
}

/** No document with more than a thousand sessions. The counts go with the first one. */
function chunks(entry: Entry): Entry[] {
  const { acknowledged } = entry;
  const parts = [{ ...entry, acknowledged: acknowledged.slice(0, CHUNK) }];
  for (let i = CHUNK; i < acknowledged.length; i += CHUNK) {
    parts.push({ ...entry, acknowledged: acknowledged.slice(i, i + CHUNK), left: 0, ended: 0 });
  }
  return parts;
}
