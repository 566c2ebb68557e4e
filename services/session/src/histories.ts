import { createDueDuty, type Duty } from '@lastcall/runtime';
import { pagesOf, type Change, type Document, type Store } from '@lastcall/store';
import { countSessions } from './counting.js';
import { CHANGED, DUE, type Documents } from './documents.js';
import { beginHistory, countQuarter, isCountDue, nextQuarter, QUARTER_MS, type History } from './domain/history.js';
import type { InstallationFacts } from './domain/installation.js';
import { localQuarterAt } from './local-quarter.js';

/*
 * Counts who is logged in, once a quarter hour and installation, by a due time in the history's document: whichever replica comes first
 * counts, and one that comes at the same time finds that it is done. What was not counted in its quarter hour is not counted later. Nothing is
 * counted while the gate is not open: that would say how updates are, not users.
 */

export interface Histories {
  /** What the catalog says of an installation was taken in: it has a history when it has many users. */
  begin(installation: string): Promise<void>;
  get(installation: string): Promise<History | undefined>;
  readonly duty: Duty;
}

export interface HistoryParts {
  readonly store: Store;
  readonly documents: Documents;
}

const PAGE = 100;

export function createHistories({ store, documents }: HistoryParts): Histories {
  const { histories, gates } = documents;
  let isComplete = false;

  const insert = async (installations: readonly { id: string; facts: InstallationFacts | undefined }[]) => {
    const counted = installations.filter(({ facts }) => isCounted(facts));
    if (counted.length === 0) return;
    const now = await store.now();
    await histories.insertMany(
      counted.map(({ id, facts }) => ({ id, data: beginHistory(id, facts?.timeZone ?? 'UTC', now) })),
    );
  };

  /** Installations that were known before there were histories. */
  const complete = async (): Promise<void> => {
    if (isComplete) return;
    for await (const page of pagesOf(gates, { index: CHANGED, limit: PAGE })) {
      await insert(page.map(({ id, data: { facts } }) => ({ id, facts })));
    }
    isComplete = true;
  };

  /** The store's clock was set back: what is due by no clock any more is due now. */
  const bringBack = async (): Promise<void> => {
    const from = nextQuarter(await store.now()) + QUARTER_MS;
    const { items } = await histories.query({ index: DUE, range: { field: 'due_at', from }, limit: PAGE });
    for (const { id } of items) await count(documents, id);
  };

  const due = createDueDuty({
    ...{ name: 'session-history', everyMs: 60_000, store, collection: histories, index: DUE },
    dueAtOf: ({ dueAt }: History) => dueAt,
    look: ({ id }: Document<History>) => count(documents, id),
  });
  return {
    begin: async (id) => insert([{ id, facts: (await gates.get(id))?.data.facts }]),
    get: async (id) => (await histories.get(id))?.data,
    duty: {
      ...due,
      runOnce: async (signal) => {
        await complete();
        await bringBack();
        return due.runOnce(signal);
      },
    },
  };
}

function isCounted(facts: InstallationFacts | undefined): boolean {
  return facts !== undefined && !facts.deleted && facts.kind === 'multi-user';
}

async function count(documents: Documents, installation: string): Promise<void> {
  const { histories, gates } = documents;
  const record = await gates.get(installation);
  const facts = record?.data.facts;
  if (!facts || !isCounted(facts)) {
    await histories.remove(installation);
    return;
  }
  const isOpen = record.data.gate.phase === 'open';
  const users = isOpen ? await countSessions(documents, installation) : undefined;
  await histories.change(installation, (current, { now }): Change<History, undefined> => {
    if (!current || !isCountDue(current, now)) return { keep: undefined };
    const quarter = localQuarterAt(now, facts.timeZone);
    return {
      write: countQuarter(current, { timeZone: facts.timeZone, quarter, count: users, now }),
      result: undefined,
    };
  });
}
