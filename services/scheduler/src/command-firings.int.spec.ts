import { catalogV1, commonV1 } from '@lastcall/contracts';
import { HOUR_MS, type RunHost } from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { jobDocumentId, openDocuments, type Documents, type FiringDocument } from './documents.js';
import { createFirings } from './firings.js';
import { holidaysOf } from './holidays.js';
import { createPauses } from './pauses.js';
import { createRuns } from './runs.js';
import { schedulerSettings } from './settings.js';
import type { Catalog } from './spec.js';
import { sampleDefinition } from './testing/sample-definition.js';

/*
 * A command whose time has come: which run it becomes, as the installed release is at that moment, and why it is none.
 */

const HOSTS: readonly RunHost[] = [
  { host: 'srv1', role: 'server', mayFollowLater: false },
  { host: 'ts1', role: 'terminal-server', mayFollowLater: false },
];
const ACTION = { id: 'reindex', role: commonV1.HostRole.SERVER, maxRunTime: { seconds: 60n, nanos: 0 } };

let store: Store;
let documents: Documents;
beforeEach(async () => {
  store = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
  documents = await openDocuments(store);
});
afterEach(() => store.close());

async function resolved(...actions: readonly (typeof ACTION)[]): Promise<FiringDocument | undefined> {
  const businessHours = { spans: [], holidays: await holidaysOf('', [], []) };
  const catalog: Catalog = {
    place: async (installation) => ({
      ...{ installation, product: 'encore', kind: 'multi-user', timeZone: 'UTC', businessHours, hosts: HOSTS },
      ...{ installedVersion: '11.0.0', approvalRequired: false, reactionTimeMs: 0 },
    }),
    release: () => Promise.reject(new Error('a command takes no release')),
    installed: async () => catalogV1.Release.fromPartial({ actions: [...actions] }),
  };
  const definition = sampleDefinition({ type: 'run-command', command: 'reindex', maxRunTimeMs: HOUR_MS });
  const job = { installation: 'berlin', job: 'nightly' };
  const state = { phase: 'done', definition, revision: 1 } as const;
  const saved = { ...job, product: 'encore', state, createdAt: 0, confirmedCautions: [] };
  await documents.jobs.insertMany([{ id: jobDocumentId(job.installation, job.job), data: saved }]);
  const due = { nominalAt: await store.now(), by: 'anna', fate: 'pending', run: '', reason: '' } as const;
  await documents.firings.insertMany([{ id: 'f', data: { ...job, ...due, lateWithinMs: HOUR_MS } }]);
  const runs = createRuns(documents, schedulerSettings.parse({}), () => undefined);
  const pauses = createPauses(store, documents);
  return createFirings({ store, documents, runs, catalog, pauses }).resolve('f');
}

it('becomes a run on the hosts of its role, about the installed version', async () => {
  const firing = await resolved(ACTION);
  expect(firing).toMatchObject({ fate: 'fired' });
  const spec = { type: 'run-command', command: 'reindex', fromVersion: '11.0.0', toVersion: '', hosts: [HOSTS[0]] };
  expect((await documents.runs.get(firing?.run ?? ''))?.data.state).toMatchObject({ phase: 'preflight', spec });
});

it('becomes none when an update has taken the action away', async () => {
  const reason = expect.stringContaining('encore 11.0.0 has no action reindex') as string;
  expect(await resolved({ ...ACTION, id: 'compact' })).toMatchObject({ fate: 'skipped', run: '', reason });
});
