import { eventsV1, runOutcome, runSpecToWire, type EventEnvelope } from '@lastcall/contracts';
import { reject, RejectedError, type RunOutcome } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { openStore, type Store } from '@lastcall/store';
import { createClaims } from './claims.js';
import { BY_JOB, jobDocumentId, openDocuments, type Documents } from './documents.js';
import { createHandlers } from './events.js';

import { createPostponements } from './postponements.js';
import { openRehearsals } from './rehearsals.js';
import { openNotificationDocuments } from './notifications/documents.js';
import { createNotifications } from './notifications/notifications.js';
import { createRuns } from './runs.js';
import { schedulerSettings } from './settings.js';
import type { Catalog } from './spec.js';
import { createWithdrawals } from './withdrawals.js';
import { sampleDefinition } from './testing/sample-definition.js';
import { sampleSpec } from './testing/sample-spec.js';

/*
 * Which ends of a run start the job that was named for that, and how often, when RunFinished comes twice.
 */

/** A catalog that does not know the installation any more. */
const gone = () => Promise.reject(new RejectedError(reject('not-found', 'NOT_FOUND', 'there is no such installation')));
const CATALOG: Catalog = { place: gone, release: gone, installed: gone };

let store: Store;
let documents: Documents;
let handlers: ReturnType<typeof createHandlers>;
beforeEach(async () => {
  store = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
  documents = await openDocuments(store);
  const notifications = createNotifications(await openNotificationDocuments(store), store, () => undefined);
  const runs = createRuns(documents, schedulerSettings.parse({}), () => undefined);
  const context = { log: createLogger('silent'), audit: () => Promise.resolve() };
  handlers = createHandlers({
    documents,
    runs,
    claims: createClaims({ store, documents }),
    postponements: createPostponements(documents, CATALOG),
    rehearsals: await openRehearsals(store),
    withdrawals: createWithdrawals({ context, documents, runs, notifications }),
    notifications,
    wakeFirings: () => undefined,
  });
});
afterEach(() => store.close());

async function save(job: string, followUpJob: string): Promise<void> {
  const definition = sampleDefinition({ title: job, followUpJob });
  const state = { phase: 'done', definition, revision: 1 } as const;
  const data = { installation: 'berlin', job, product: 'encore', state, createdAt: 0, confirmedCautions: [] };
  await documents.jobs.insertMany([{ id: jobDocumentId('berlin', job), data }]);
}

async function finish(outcome: RunOutcome): Promise<void> {
  const message = { run: runSpecToWire(sampleSpec()), outcome: runOutcome.toWire(outcome), failure: undefined };
  const envelope: EventEnvelope = {
    ...{ id: 'r@9', type: 'RunFinished', source: 'scheduler/runs/r-1', sequence: 9, installation: 'berlin', time: 0 },
    data: eventsV1.RunFinished.encode(message).finish(),
  };
  // As after a crash between the effect and the acknowledgement.
  for (let delivery = 1; delivery <= 2; delivery++) await handlers.RunFinished?.(message, envelope);
}

const started = async () => {
  const where = { job_id: jobDocumentId('berlin', 'rescue') };
  return (await documents.firings.query({ index: BY_JOB, where, limit: 10 })).items.map(({ data }) => data.by);
};

it.each<[RunOutcome, number]>([
  ['failed', 1],
  ['rolled-back', 1],
  ['quarantined', 1],
  ['cancelled', 1],
  ['expired', 1],
  ['succeeded', 0],
  ['postponed', 0],
])('a run that ended as %s starts %d follow-up job', async (outcome, times) => {
  await save('nightly', 'rescue');
  await save('rescue', '');
  await finish(outcome);
  expect(await started()).toEqual(Array.from({ length: times }, () => 'anna'));
});

it.each([
  ['names none', '', true],
  ['names one that was deleted', 'rescue', false],
])('nothing is started for a job that %s', async (_, followUpJob, there) => {
  await save('nightly', followUpJob);
  if (there) await save('rescue', '');
  await finish('failed');
  expect(await started()).toEqual([]);
});
