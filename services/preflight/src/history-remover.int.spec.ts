import { DAY_MS } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { openStore, type Store } from '@lastcall/store';
import { openDocuments, type BackupDocument, type Documents, type ReportDocument } from './documents.js';
import { createHistoryRemover } from './history-remover.js';
import { preflightSettings } from './settings.js';

const KEEP_MS = 10 * DAY_MS;
let store: Store;
let documents: Documents;
let old: number;
beforeEach(async () => {
  store = await openStore({ url: '', file: ':memory:', service: 'preflight', database: '' });
  documents = await openDocuments(store);
  old = (await store.now()) - KEEP_MS - DAY_MS;
});
afterEach(() => store.close());

async function remove(): Promise<void> {
  const settings = preflightSettings.parse({ keepReportsMs: KEEP_MS });
  await createHistoryRemover({ store, settings, log: createLogger('silent') }, documents).runOnce(
    new AbortController().signal,
  );
}

it('removes reports that are over, and none that is still to be done something about', async () => {
  const report = (createdAt: number, dueAt?: number): ReportDocument => ({
    ...{ installation: 'berlin', product: 'encore', version: '', state: { phase: 'abandoned', at: 0 }, createdAt },
    ...(dueAt !== undefined && { dueAt }),
  });
  await documents.reports.insertMany([
    ...Array.from({ length: 600 }, (_, i) => ({ id: `old-${i}`, data: report(old - i) })),
    { id: 'due', data: report(old, 1) },
    { id: 'young', data: report(old + 2 * DAY_MS) },
  ]);
  await remove();
  const { items } = await documents.reports.query({ index: 'made', limit: 10 });
  expect(items.map(({ id }) => id)).toEqual(['due', 'young']);
});

it('forgets restore points that are no more, and never one that is there', async () => {
  const facts = { restorePoint: 'rp', takenAt: 0, sizeBytes: 1, sha256: '', verified: true, version: '1.0.0' };
  const backup = (state: BackupDocument['state']): BackupDocument => ({
    ...{ installation: 'berlin', product: 'encore', state, createdAt: old },
  });
  const failure = { reason: 'DISK_FULL', message: '', host: 'srv', facts: {} };
  await documents.backups.insertMany([
    { id: 'taken', data: backup({ phase: 'taken', host: 'srv', backup: facts }) },
    { id: 'deleted', data: backup({ phase: 'deleted', host: 'srv', backup: facts, at: 0 }) },
    { id: 'failed', data: backup({ phase: 'failed', host: 'srv', failure, at: 0 }) },
    { id: 'abandoned', data: backup({ phase: 'abandoned', at: 0 }) },
  ]);
  await remove();
  const { items } = await documents.backups.query({ index: 'made', limit: 10 });
  expect(items.map(({ id }) => id)).toEqual(['taken']);
});

it('removes restores that have ended and overrides that have expired', async () => {
  const restore = { installation: 'berlin', restorePoint: 'rp', host: 'srv', createdAt: old } as const;
  await documents.restores.insertMany([
    { id: 'done', data: { ...restore, state: 'done' } },
    { id: 'pending', data: { ...restore, state: 'pending', dueAt: 1 } },
  ]);
  const override = { installation: 'berlin', job: 'j', check: 'clock', host: '', reason: 'x', createdBy: 'anna' };
  await documents.overrides.insertMany([
    { id: 'past', data: { ...override, override: 'past', createdAt: 0, expiresAt: old } },
    { id: 'valid', data: { ...override, override: 'valid', createdAt: 0, expiresAt: old + 2 * KEEP_MS } },
  ]);
  await remove();
  expect((await documents.restores.query({ index: 'made', limit: 10 })).items.map(({ id }) => id)).toEqual(['pending']);
  const { items } = await documents.overrides.query({ index: 'expired', limit: 10 });
  expect(items.map(({ id }) => id)).toEqual(['valid']);
});
