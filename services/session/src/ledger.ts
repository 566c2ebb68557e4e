import { randomId } from '@lastcall/kernel';
import type { Logger } from '@lastcall/runtime';
import { BY_EPOCH, CREATED, type Documents } from './documents.js';
import type { DrainCounts } from './domain/gate-state.js';

/*
 * What becomes of sessions, written in batches: who acknowledged, who left, who was ended, and the documents of those that are
 * gone. A tally is written before the documents that it counts are removed, so that whoever sees zero sees the counts.
 */

export interface Ledger {
  acknowledge(installation: string, epoch: number, notice: string, session: string): void;
  /** The session is over; its document goes with the next batch. `fate` absent: it does not count. */
  remove(gone: { installation: string; epoch: number; id: string; fate?: 'left' | 'ended' }): void;
  /** Resolves when everything up to now is in the store; throws when it could not be written and stays here. */
  flush(): Promise<void>;
  /** Of one epoch, over all replicas. */
  counts(installation: string, epoch: number): Promise<DrainCounts>;
  /** Sessions that acknowledged this notice. */
  acknowledged(installation: string, epoch: number, notice: string): Promise<ReadonlySet<string>>;
  /** Forgets tallies that nobody asks for any more. */
  forget(createdBefore: number): Promise<void>;
}

interface Entry {
  readonly installation: string;
  readonly epoch: number;
  readonly notice: string;
  readonly acknowledged: string[];
  left: number;
  ended: number;
}

const CHUNK = 1_000;

/** `removed` is told which installations have fewer sessions now. */
export function createLedger(
  { sessions, tallies }: Documents,
  now: () => number,
  log: Logger,
  removed: (installations: ReadonlySet<string>) => void,
): Ledger {
  let entries = new Map<string, Entry>();
  let gone: { id: string; installation: string }[] = [];
  let writing: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function entryOf(installation: string, epoch: number, notice: string): Entry {
    const key = `${installation}/${epoch}/${notice}`;
    let entry = entries.get(key);
    if (!entry) entries.set(key, (entry = { installation, epoch, notice, acknowledged: [], left: 0, ended: 0 }));
    return entry;
  }

  async function writeTallies(): Promise<void> {
    const batch = [...entries.values()];
    if (batch.length === 0) return;
    entries = new Map();
    const documents = batch.flatMap(chunks).map((data) => ({ id: randomId('t'), data: { ...data, createdAt: now() } }));
    try {
      await tallies.insertMany(documents);
    } catch (error) {
      for (const entry of batch) putBack(entry);
      throw error;
    }
  }

  function putBack({ installation, epoch, notice, acknowledged, left, ended }: Entry): void {
    const entry = entryOf(installation, epoch, notice);
    entry.acknowledged.push(...acknowledged);
    entry.left += left;
    entry.ended += ended;
  }

  async function write(): Promise<void> {
    const batch = gone;
    gone = [];
    try {
      await writeTallies();
      for (let i = 0; i < batch.length; i += CHUNK) {
        await sessions.removeMany(batch.slice(i, i + CHUNK).map(({ id }) => id));
      }
    } catch (error) {
      gone = [...batch, ...gone];
      throw error;
    }
    if (batch.length > 0) removed(new Set(batch.map(({ installation }) => installation)));
  }

  /** One batch at a time; what comes meanwhile goes together with the next one. */
  function flush(): Promise<void> {
    if (!writing) {
      writing = write().finally(() => (writing = undefined));
      return writing;
    }
    next ??= writing
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return flush();
      });
    return next;
  }

  return {
    acknowledge: (installation, epoch, notice, session) => {
      entryOf(installation, epoch, notice).acknowledged.push(session);
    },
    remove: ({ installation, epoch, id, fate }) => {
      if (fate) entryOf(installation, epoch, '')[fate]++;
      gone.push({ id, installation });
      // What fails stays here and goes with the next sweep.
      flush().catch((error: unknown) => log.warn({ err: error }, 'ended sessions could not be removed yet'));
    },
    flush,
    counts: async (installation, epoch) => {
      const acknowledged = new Set<string>();
      let [left, ended] = [0, 0];
      for (const tally of await readTallies(installation, epoch)) {
        for (const session of tally.acknowledged) acknowledged.add(session);
        left += tally.left;
        ended += tally.ended;
      }
      return { acknowledged: acknowledged.size, left, ended };
    },
    acknowledged: async (installation, epoch, notice) => {
      const found = (await readTallies(installation, epoch)).filter((tally) => tally.notice === notice);
      return new Set(found.flatMap((tally) => tally.acknowledged));
    },
    forget: async (createdBefore) => {
      const range = { field: 'created_at', below: createdBefore };
      const { items } = await tallies.query({ index: CREATED, range, limit: CHUNK });
      if (items.length > 0) await tallies.removeMany(items.map(({ id }) => id));
    },
  };

  async function readTallies(installation: string, epoch: number) {
    const found = [];
    let pageToken: string | undefined;
    do {
      const page = await tallies.query({
        index: BY_EPOCH,
        where: { installation, epoch },
        limit: CHUNK,
        ...(pageToken !== undefined && { pageToken }),
      });
      found.push(...page.items.map(({ data }) => data));
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    return found;
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
