import { DAY_MS, HOUR_MS, type RunSpec } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { openStore } from '@lastcall/store';
import { openDocuments, type PlanDocument } from './documents.js';
import { createHistoryRemover } from './history-remover.js';
import { installerSettings } from './settings.js';

const KEEP_MS = 10 * DAY_MS;
const RUN: RunSpec = {
  ...{ run: 'r', installation: 'berlin', job: 'job', type: 'software-update', kind: 'multi-user', product: 'encore' },
  ...{ fromVersion: '11.0.0', toVersion: '11.1.0', hosts: [], reactionTimeMs: 0, message: '', backupMode: 'take' },
  ...{ backupMaxAgeMs: 48 * HOUR_MS, fence: 1, nominalAt: 0, startedAt: 0, deadlineAt: HOUR_MS },
  ...{ requestedBy: 'operator', timeZone: 'UTC', holdsAllowed: false, whatsNew: '' },
};

function plan(installation: string, createdAt: number, state: PlanDocument['state']): PlanDocument {
  return { installation, createdAt, state };
}

it('removes plans that ended long ago, but neither one that is under way nor the newest of an installation', async () => {
  const store = await openStore({ url: '', file: ':memory:', service: 'installer', database: '' });
  const documents = await openDocuments(store);
  const now = await store.now();
  const old = now - KEEP_MS - HOUR_MS;
  const updated: PlanDocument['state'] = { phase: 'updated', restorePoint: '', at: 0, run: RUN, tasks: {} };
  const staging: PlanDocument['state'] = {
    ...{ phase: 'staging', since: 0, readiness: { drainConfirmed: false }, run: RUN, tasks: {} },
  };
  await documents.plans.insertMany([
    ...Array.from({ length: 700 }, (_, i) => ({ id: `old-${i}`, data: plan('berlin', old - i, updated) })),
    ...Array.from({ length: 99 }, (_, i) => ({ id: `new-${i}`, data: plan('berlin', now - i, updated) })),
    { id: 'stuck', data: plan('berlin', old - 10_000, staging) },
    { id: 'only', data: plan('rome', old, updated) },
  ]);
  const settings = installerSettings.parse({ keepPlansMs: KEEP_MS });
  await createHistoryRemover({ store, settings, log: createLogger('silent') }, documents).runOnce(
    new AbortController().signal,
  );
  const left = await documents.plans.query({ index: 'created', limit: 1_000 });
  const ids = left.items.map(({ id }) => id);
  expect(ids.filter((id) => !id.startsWith('new-')).sort()).toEqual(['old-0', 'only', 'stuck']);
  expect(ids).toHaveLength(102);
  await store.close();
});
