import { eventsV1, type EventEnvelope } from '@lastcall/contracts';
import { createLogger } from '@lastcall/runtime';
import { openStore, type Store } from '@lastcall/store';
import { openDocuments, type Documents, type JobDocument } from './documents.js';
import { openNotificationDocuments } from './notifications/documents.js';
import { createNotifications } from './notifications/notifications.js';
import { createRuns } from './runs.js';
import { schedulerSettings } from './settings.js';
import { createWithdrawals } from './withdrawals.js';
import { sampleDefinition } from './testing/sample-definition.js';

/*
 * More jobs than a page holds, and the event a second time: a crash in the middle of the first.
 */

const JOBS = 150;
const VERSION = '11.1.0';
const message = eventsV1.ReleaseWithdrawn.fromPartial({ product: 'encore', version: VERSION, reason: 'Loses data.' });
const envelope: EventEnvelope = {
  ...{ id: 'a@7', type: 'ReleaseWithdrawn', source: 'catalog/releases/encore-11.1.0', sequence: 7 },
  ...{ installation: '', time: 0, data: eventsV1.ReleaseWithdrawn.encode(message).finish() },
};

let store: Store;
let documents: Documents;
beforeEach(async () => {
  store = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
  documents = await openDocuments(store);
});
afterEach(() => store.close());

function enabledJob(job: string): JobDocument {
  const definition = sampleDefinition({ title: job, version: VERSION });
  const state = { phase: 'enabled', definition, revision: 1, dueAt: 1, enabledBy: 'anna' } as const;
  return { installation: 'berlin', job, product: 'encore', state, createdAt: 0, confirmedCautions: [] };
}

it('disables all of them, also behind one that was disabled before and that somebody has enabled again', async () => {
  const jobs = Array.from({ length: JOBS }, (_, i) => `job-${String(i).padStart(3, '0')}`);
  await documents.jobs.insertMany(jobs.map((job) => ({ id: job, data: enabledJob(job) })));
  const [first = '', ...others] = jobs;
  await documents.jobs.take(first, envelope, (current) => ({ write: current ?? enabledJob(first), result: undefined }));

  const audited: string[] = [];
  const context = {
    log: createLogger('silent'),
    audit: async ({ resource }: { resource: string }): Promise<void> => void audited.push(resource),
  };
  const notifications = createNotifications(await openNotificationDocuments(store), store, () => undefined);
  const runs = createRuns(documents, schedulerSettings.parse({}), () => undefined);
  await createWithdrawals({ context, documents, runs, notifications }).hear(message, envelope);

  const phases = await Promise.all(others.map(async (job) => (await documents.jobs.get(job))?.data.state.phase));
  expect(new Set(phases)).toEqual(new Set(['disabled']));
  expect((await documents.jobs.get(first))?.data.state.phase).toBe('enabled');
  expect(audited).toEqual(expect.arrayContaining(others.map((job) => `installations/berlin/jobs/${job}`)));
});
