import { MINUTE_MS, reject, RejectedError } from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { jobDocumentId, openDocuments, type Documents, type FiringDocument } from './documents.js';
import { createFirings, type Firings } from './firings.js';
import { createPauses, type Pauses } from './pauses.js';
import { createRuns } from './runs.js';
import { schedulerSettings } from './settings.js';
import type { Catalog } from './spec.js';
import { sampleDefinition } from './testing/sample-definition.js';

/*
 * Firings that become no run: which reason is said when several hold. The catalog does not know the installation any more, so none becomes one.
 */

const gone = () => Promise.reject(new RejectedError(reject('not-found', 'NOT_FOUND', 'there is no such installation')));
const CATALOG: Catalog = { place: gone, release: gone, installed: gone };
const NOW: Partial<FiringDocument> = {};

let store: Store;
let documents: Documents;
let firings: Firings;
let pauses: Pauses;
beforeEach(async () => {
  store = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
  documents = await openDocuments(store);
  pauses = createPauses(store, documents);
  const runs = createRuns(documents, schedulerSettings.parse({}), () => undefined);
  firings = createFirings({ store, documents, runs, catalog: CATALOG, pauses });
  const state = { phase: 'done', definition: sampleDefinition(), revision: 2 } as const;
  const data = {
    installation: 'berlin',
    job: 'nightly',
    product: 'encore',
    state,
    createdAt: 0,
    confirmedCautions: [],
  };
  await documents.jobs.insertMany([{ id: jobDocumentId('berlin', 'nightly'), data }]);
});
afterEach(() => store.close());

async function resolved(more: Partial<FiringDocument>): Promise<FiringDocument | undefined> {
  const firing = { installation: 'berlin', job: 'nightly', nominalAt: await store.now(), by: 'anna' };
  const rest = { fate: 'pending', run: '', reason: '', lateWithinMs: MINUTE_MS } as const;
  await documents.firings.insertMany([{ id: 'f', data: { ...firing, ...rest, ...more } }]);
  return firings.resolve('f');
}

const LATE: Partial<FiringDocument> = { nominalAt: 0 };
const SKIPPED: Partial<FiringDocument> = { skipBecause: 'otto had said to skip it' };
const OLD_TRY: Partial<FiringDocument> = { attempt: 1, revision: 1 };

it.each<[string, Partial<FiringDocument>, boolean, Partial<FiringDocument>]>([
  ['nobody said so before', NOW, false, { fate: 'skipped', reason: 'there is no such installation' }],
  ['somebody said so', { ...SKIPPED, ...LATE }, true, { fate: 'skipped', reason: 'otto had said to skip it' }],
  ['it is too late', { ...LATE, ...OLD_TRY }, true, { fate: 'missed' }],
  ['the job was changed', OLD_TRY, true, { fate: 'skipped', reason: 'the job was changed since the run that failed' }],
  [
    'jobs are paused',
    { attempt: 1, revision: 2 },
    true,
    { fate: 'skipped', reason: expect.stringContaining('Fair') as string },
  ],
])('it is not run when %s', async (_, more, paused, expected) => {
  const since = await store.now();
  if (paused)
    await pauses.begin('berlin', { reason: 'Fair', by: 'otto', timeZone: 'UTC', since, endsAt: since + MINUTE_MS });
  expect(await resolved(more)).toMatchObject(expected);
});

it('a pause ends by itself, and before its time', async () => {
  const since = await store.now();
  await pauses.begin('berlin', { reason: 'Fair', by: 'otto', timeZone: 'UTC', since, endsAt: since });
  expect(await pauses.of('berlin')).toBeUndefined();
  await pauses.begin('berlin', { reason: 'Fair', by: 'otto', timeZone: 'UTC', since, endsAt: since + MINUTE_MS });
  expect(await pauses.of('berlin')).toMatchObject({ by: 'otto' });
  await pauses.end('berlin');
  await pauses.end('berlin');
  expect(await pauses.of('berlin')).toBeUndefined();
});
