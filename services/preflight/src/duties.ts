import { cleanText, failure, LIMITS, type Failure } from '@lastcall/kernel';
import { createDueDuty, type Duty, type Known } from '@lastcall/runtime';
import type { Collection, Document, Store } from '@lastcall/store';
import { DUE, type ReportDocument } from './documents.js';
import type { BackupCommand, BackupState } from './domain/backup.js';
import { isBlocking } from './domain/evaluate.js';
import type { Parts } from './events.js';
import { leadsToBackup } from './reports.js';

/*
 * What has to happen although no event comes: reports whose hosts did not answer, backups and restores whose host is
 * silent, and the backup of a backup job whose report is green.
 */

type Owners = Omit<Parts, 'wakeReports'>;

export function createDuties(
  store: Store,
  owners: Owners,
): { readonly reports: Duty; readonly others: readonly Duty[] } {
  const { documents, backups, restores } = owners;
  const due = <T extends { readonly dueAt?: number }>(
    name: string,
    everyMs: number,
    collection: Collection<T>,
    look: (document: Document<T>) => Promise<void>,
    about: (document: Document<T>) => Known = () => ({}),
  ) => createDueDuty({ name, everyMs, store, collection, index: DUE, dueAtOf: (data) => data.dueAt, look, about });
  return {
    reports: due('report-closer', 5_000, documents.reports, (document) => closeReport(owners, document), aboutReport),
    others: [
      due('backup-closer', 10_000, documents.backups, ({ id, data }) => backups.apply(id, giveUp(data.state.phase))),
      due('backup-rotator', 5_000, documents.policies, ({ id }) => owners.rotation.runOnce(id)),
      due('restore-closer', 10_000, documents.restores, ({ id }) => restores.giveUp(id)),
    ],
  };
}

const aboutReport = ({ data: { installation, run } }: Document<ReportDocument>): Known => run ?? { installation };

function giveUp(phase: BackupState['phase']) {
  const message = 'the host did not say in time what came of the backup; look at it';
  const failed = failure('TIMED_OUT', message);
  return (at: number): BackupCommand => {
    if (phase === 'taking') return { type: 'fail', failure: failed, at };
    return phase === 'taken' ? { type: 'fail-verify', failure: failed, at } : { type: 'fail-delete', failure: failed };
  };
}

/** Undefined: nothing speaks against the backup. */
function whyNot({ state }: ReportDocument): Failure | undefined {
  if (state.phase !== 'decided' || state.verdict === 'passed') return undefined;
  const blocking = state.checks.filter(isBlocking);
  const told = blocking.map(({ check, host, found, remedy }) => {
    return `${check}${host === '' ? '' : ` on ${host}`}: ${found}. ${remedy}`;
  });
  const message = `when nobody was inside, not everything was ready any more: ${told.join('; ')}`;
  return failure('CHECKS_FAILED', cleanText(message, LIMITS.textChars), blocking[0]?.host ?? '');
}

async function closeReport(parts: Owners, { id, data }: Document<ReportDocument>): Promise<void> {
  if (!leadsToBackup(data) || !data.run) return parts.reports.apply(id, (at) => ({ type: 'close', at }));
  await parts.backups.beginForRun(data.run, undefined, whyNot(data));
  await parts.documents.reports.change(id, (current) => {
    if (!current) return { keep: undefined };
    const { dueAt: _, ...write } = current;
    return { write, result: undefined };
  });
}
