import { DAY_MS } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { openStore, type Store } from '@lastcall/store';
import { openDocuments, type Documents, type Fate, type RunDocument } from './documents.js';
import { NOTHING_FOUND } from './domain/findings.js';
import type { RunState } from './domain/run.js';
import { createHistoryRemover } from './history-remover.js';
import { openNotificationDocuments, type NotificationDocuments } from './notifications/documents.js';
import { testNotification } from './notifications/notification.js';
import { schedulerSettings } from './settings.js';
import { sampleSpec } from './testing/sample-spec.js';

const KEEP_MS = 10 * DAY_MS;
let store: Store;
let documents: Documents;
let told: NotificationDocuments;
let now: number;
beforeEach(async () => {
  store = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
  documents = await openDocuments(store);
  told = await openNotificationDocuments(store);
  now = await store.now();
});
afterEach(() => store.close());

function runDocument(createdAt: number, ended: boolean): RunDocument {
  const common = { spec: sampleSpec(), timeline: [], findings: NOTHING_FOUND, cancelRequested: false, alarm: false };
  const state: RunState = ended
    ? { ...common, phase: 'ended', ending: { outcome: 'succeeded', failure: undefined }, finishedAt: createdAt }
    : { ...common, phase: 'staging', ending: undefined };
  return { installation: 'berlin', job: 'nightly', state, createdAt, confirmedCautions: [] };
}

const remove = () =>
  createHistoryRemover(
    { store, settings: schedulerSettings.parse({ keepRunsMs: KEEP_MS }), log: createLogger('silent') },
    documents,
    told,
  ).runOnce(new AbortController().signal);

it('removes ended runs that are older, many pages of them, and no others', async () => {
  const old = Array.from({ length: 1_100 }, (_, i) => ({
    id: `old-${i}`,
    data: runDocument(now - KEEP_MS - 1 - i, true),
  }));
  for (let i = 0; i < old.length; i += 500) await documents.runs.insertMany(old.slice(i, i + 500));
  await documents.runs.insertMany([
    { id: 'young', data: runDocument(now - KEEP_MS + 60_000, true) },
    { id: 'stuck', data: runDocument(now - 2 * KEEP_MS, false) },
  ]);
  await remove();
  const { items } = await documents.runs.query({ index: 'created', limit: 1_000 });
  expect(items.map(({ id }) => id)).toEqual(['stuck', 'young']);
});

it('removes decided firings whose fate was told, and notifications that ended a month ago', async () => {
  const firing = (nominalAt: number, fate: Fate, untoldAt?: number) => ({
    ...{ installation: 'berlin', job: 'nightly', nominalAt, fate, run: '', reason: '', by: 'anna', lateWithinMs: 1 },
    ...(untoldAt !== undefined && { untoldAt }),
  });
  const old = now - KEEP_MS - 1;
  await documents.firings.insertMany([
    { id: 'fired', data: firing(old, 'fired') },
    { id: 'pending', data: firing(old, 'pending') },
    { id: 'untold', data: firing(old, 'missed', now) },
    { id: 'young', data: firing(now, 'skipped') },
  ]);
  const delivery = (endedAt: number) => ({
    ...{
      installation: 'berlin',
      target: 'ops',
      createdAt: 0,
      notification: testNotification('berlin', 'ops', 't', 'anna'),
    },
    state: { phase: 'delivered', attempts: 1, endedAt } as const,
  });
  await told.deliveries.insertMany([
    { id: 'm-old', data: delivery(now - 31 * DAY_MS) },
    { id: 'm-young', data: delivery(now - 29 * DAY_MS) },
  ]);
  await remove();
  const left = await Promise.all(['fired', 'pending', 'untold', 'young'].map((id) => documents.firings.get(id)));
  expect(left.map((found) => found?.id)).toEqual([undefined, 'pending', 'untold', 'young']);
  expect([await told.deliveries.get('m-old'), (await told.deliveries.get('m-young'))?.id]).toEqual([
    undefined,
    'm-young',
  ]);
});
