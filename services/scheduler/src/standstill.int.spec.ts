import { DAY_MS, MINUTE_MS } from '@lastcall/kernel';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { BY_JOB, jobDocumentId, openDocuments, type Documents, type FiringDocument } from './documents.js';
import { schedulerModule } from './index.js';
import { localTimeOf } from './calendar.js';
import { sampleDefinition } from './testing/sample-definition.js';

/*
 * Series that were due while nobody served them for 400 days: one record a job. The catalog is not there, so a firing that is not too late stays
 * pending.
 */

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    let documents: Documents;
    beforeAll(async () => {
      stack = await startStack({ modules: [schedulerModule], ...pair });
      documents = await openDocuments(stack.store('scheduler'));
    });
    afterAll(() => stack.stop());

    /** A daily job whose time of day was so long ago, enabled and due 400 days before that. */
    async function addNightly(job: string, agoMs: number): Promise<number> {
      const today = Math.floor(((await stack.store('scheduler').now()) - agoMs) / MINUTE_MS) * MINUTE_MS;
      const [hour, minute] = localTimeOf(today, 'UTC').slice(11, 16).split(':').map(Number);
      const definition = sampleDefinition({
        ...{ title: 'Nightly backup', type: 'data-backup', runIfLateWithinMs: 15 * MINUTE_MS },
        start: { kind: 'series', cron: `${minute} ${hour} * * *` },
      });
      const state = {
        phase: 'enabled',
        definition,
        revision: 1,
        dueAt: today - 400 * DAY_MS,
        enabledBy: 'anna',
      } as const;
      const more = {
        product: 'encore',
        kind: 'multi-user',
        timeZone: 'UTC',
        createdAt: 0,
        confirmedCautions: [],
      } as const;
      const data = { installation: 'berlin', job, state, ...more };
      await documents.jobs.insertMany([{ id: jobDocumentId('berlin', job), data }]);
      return today;
    }

    async function firingsOf(job: string): Promise<readonly FiringDocument[]> {
      const where = { job_id: jobDocumentId('berlin', job) };
      const { items } = await documents.firings.query({ index: BY_JOB, where, limit: 1_000 });
      return items.map(({ data }) => data);
    }
    async function dueAtOf(job: string): Promise<number | undefined> {
      const state = (await documents.jobs.get(jobDocumentId('berlin', job)))?.data.state;
      return state?.phase === 'enabled' ? state.dueAt : undefined;
    }

    it('leave one record, and come again at their next time', async () => {
      const today = await addNightly('nightly', 60 * MINUTE_MS);
      await until(async () => (await firingsOf('nightly')).some((f) => f.fate === 'missed'), 'the record');
      expect(await firingsOf('nightly')).toMatchObject([{ nominalAt: today - 400 * DAY_MS, passedOver: 400 }]);
      expect((await firingsOf('nightly'))[0]?.reason).toContain('nor of the 400 times after it');
      await until(async () => (await dueAtOf('nightly')) === today + DAY_MS, 'the job to go on');
    });

    it('still run at the last of their times when that is not too late', async () => {
      const today = await addNightly('tonight', 5 * MINUTE_MS);
      await until(async () => (await firingsOf('tonight')).length === 2, 'both firings');
      await until(async () => (await firingsOf('tonight')).some((f) => f.fate === 'missed'), 'the record');
      expect(await firingsOf('tonight')).toMatchObject([
        { nominalAt: today - 400 * DAY_MS, fate: 'missed', passedOver: 399 },
        { nominalAt: today, fate: 'pending', passedOver: 0 },
      ]);
      await until(async () => (await dueAtOf('tonight')) === today + DAY_MS, 'the job to go on');
    });
  });
}

suite('400 days, SQLite', {});
describeWith('mongodb', '400 days', () => suite('MongoDB', { store: 'mongodb' }));
