import { failure } from '@lastcall/kernel';
import type { Duty } from '@lastcall/runtime';
import type { Collection, Document, Store } from '@lastcall/store';
import { DUE, type ReportDocument } from './documents.js';
import type { Parts } from './events.js';
import { leadsToBackup } from './reports.js';

/*
 * What has to happen although no event comes: reports whose hosts did not answer, backups and restores whose host is
 * silent, and the backup of a backup job whose report is green.
 */

const PAGE = 100;

/** Looks after everything in the collection whose due time has passed; answers the next due time. */
async function runDue<T extends object>(
  store: Store,
  collection: Collection<T>,
  dueAtOf: (data: T) => number | undefined,
  look: (document: Document<T>) => Promise<void>,
): Promise<number | undefined> {
  const now = await store.now();
  const { items } = await collection.query({ index: DUE, limit: PAGE });
  for (const document of items) {
    const dueAt = dueAtOf(document.data);
    if (dueAt !== undefined && dueAt > now) return dueAt;
    await look(document);
  }
  return items.length === PAGE ? now : undefined;
}

export function createDuties(
  store: Store,
  parts: Omit<Parts, 'wakeReports'>,
): {
  readonly reports: Duty;
  readonly others: readonly Duty[];
} {
  const { documents, backups, restores } = parts;
  return {
    reports: {
      name: 'report-closer',
      everyMs: 5_000,
      runOnce: () =>
        runDue(
          store,
          documents.reports,
          (d) => d.dueAt,
          (d) => closeReport(parts, d),
        ),
    },
    others: [
      {
        name: 'backup-closer',
        everyMs: 10_000,
        runOnce: () =>
          runDue(
            store,
            documents.backups,
            (d) => d.dueAt,
            ({ id }) => backups.apply(id, giveUp),
          ),
      },
      {
        name: 'restore-closer',
        everyMs: 10_000,
        runOnce: () =>
          runDue(
            store,
            documents.restores,
            (d) => d.dueAt,
            ({ id }) => restores.giveUp(id),
          ),
      },
    ],
  };
}

function giveUp(at: number) {
  const message = 'the host did not say in time what came of the backup; look at it';
  return { type: 'fail' as const, failure: failure('TIMED_OUT', message), at };
}

async function closeReport(parts: Omit<Parts, 'wakeReports'>, { id, data }: Document<ReportDocument>): Promise<void> {
  if (!leadsToBackup(data) || !data.run) return parts.reports.apply(id, (at) => ({ type: 'close', at }));
  await parts.backups.beginForRun(data.run);
  await parts.documents.reports.change(id, (current) => {
    if (!current) return { keep: undefined };
    const { dueAt: _, ...write } = current;
    return { write, result: undefined };
  });
}
