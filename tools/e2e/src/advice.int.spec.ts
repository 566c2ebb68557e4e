import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, eventsV1, operationsV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import { schedulerModule } from '@lastcall/scheduler';
import { attachSession } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { createRecorder, describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { addSite, localIn, NAME, SITE } from './world/site.js';

/*
 * What is said of a time when a job is saved: from the history that the session service keeps, runs that were measured, jobs that are due,
 * the holidays of the installation; and where what was confirmed stands afterwards.
 */

const { JobType } = commonV1;
const WEEK = 672;

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack({ modules: [catalogModule, schedulerModule, sessionModule], ...pair });
      await addSite(stack, {});
      const sessions = stack.client(sessionV1.SessionServiceService);
      await until(
        () =>
          sessions.countSessions({ parent: NAME }).then(
            () => true,
            () => false,
          ),
        'the gate',
      );
    });
    afterAll(() => stack.stop());

    const scheduler = () => stack.client(schedulerV1.SchedulerServiceService);
    const jobOf = (localTime: string | undefined, type: commonV1.JobType): schedulerV1.Job =>
      schedulerV1.Job.fromPartial({
        ...{ title: 'x', type },
        start:
          localTime === undefined
            ? { condition: { $case: 'immediate', value: {} } }
            : { condition: { $case: 'time', value: { localTime } } },
      });
    const update = (localTime?: string) => jobOf(localTime, JobType.SOFTWARE_UPDATE);
    const advise = (job: schedulerV1.Job) => scheduler().adviseJob({ parent: NAME, job });
    const save = (jobId: string, localTime: string, confirmedCautions: string[] = []) =>
      scheduler().createJob({ parent: NAME, jobId, job: jobOf(localTime, JobType.DATA_BACKUP), confirmedCautions });
    const enable = (job: string) =>
      scheduler().enableJob({ name: `${NAME}/jobs/${job}`, etag: '', confirmedCautions: [] });

    /** As if it had been counted for three weeks: so many users at every quarter hour. */
    async function counted(counts: readonly [number, number, number]): Promise<void> {
      interface Kept {
        readonly dueAt: number;
        readonly weeks: readonly object[];
      }
      const histories = await stack.store('session').collection<Kept>({
        name: 'histories',
        fields: ({ dueAt }) => ({ due_at: dueAt }),
        indexes: [{ name: 'due', fields: ['due_at'] }],
      });
      await until(async () => (await histories.get(SITE)) !== undefined, 'the history');
      const monday = Date.now() - ((new Date().getUTCDay() + 6) % 7) * DAY_MS;
      const weeks = counts.map((count, i) => ({
        monday: new Date(monday - (3 - i) * 7 * DAY_MS).toISOString().slice(0, 10),
        counts: Array.from({ length: WEEK }, () => count),
      }));
      await histories.change(SITE, (current) => ({ write: { ...(current as Kept), weeks }, result: undefined }));
    }

    it('is plain about what nobody knows yet, and names those who are logged in when they are few', async () => {
      const recorder = createRecorder<string>();
      const connection = { installation: SITE, env: {}, channel: stack.channel('client', SITE) };
      const session = attachSession({
        user: 'ada',
        version: '11.0.0',
        ...connection,
        onAttached: () => recorder.add('in'),
      });
      await recorder.until(
        (item) => item === 'in',
        15_000,
        () => 'the user is not attached',
      );
      const { advice, outlook } = await advise(update());
      expect(advice).toMatchObject([{ caution: 'users-logged-in', text: expect.stringContaining('1 user is logged in (ada)') as string }]); // prettier-ignore
      expect(outlook).toMatchObject({ users: undefined, length: { runs: 0 }, collisions: [] });
      expect(outlook?.facts).toContain('1 user logged in now');
      await session.goodbye();
      const later = await advise(update(localIn(2 * DAY_MS)));
      expect(later.outlook?.facts.join()).toContain('there is no history of logins yet');
    });

    it('has the numbers of the history, and a caution that has to be confirmed', async () => {
      await counted([38, 51, 37]);
      const localTime = localIn(2 * DAY_MS);
      const { advice, outlook, suggestedTimes } = await advise(update(localTime));
      expect(outlook?.users).toEqual({ usual: 38, peak: 51, weeks: 3 });
      expect(advice).toMatchObject([{ caution: 'usually-many-users' }]);
      expect(outlook?.facts).toContain('usually 38 users then (peak 51; of 3 weeks)');
      // There is no quiet hour, and a backup disturbs nobody.
      expect(suggestedTimes).toEqual([]);
      expect((await advise(jobOf(localTime, JobType.DATA_BACKUP))).advice).toEqual([]);
      const unconfirmed = scheduler().createJob({
        parent: NAME,
        jobId: 'many',
        job: update(localTime),
        confirmedCautions: [],
      });
      await expect(unconfirmed).rejects.toMatchObject({ violations: [{ field: 'usually-many-users' }] });
      await counted([0, 0, 0]);
      const quiet = await advise(update(localTime));
      expect(quiet.advice).toEqual([]);
      expect(quiet.suggestedTimes).toHaveLength(3);
      expect(quiet.suggestedTimes[0]).toMatchObject({ users: { usual: 0, peak: 0, weeks: 3 } });
    });

    it('counts public holidays as outside business hours, but those on which people work', async () => {
      const christmas = `${new Date().getUTCFullYear() + 1}-12-25`;
      const businessHours = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((weekday) => ({ weekday, opens: '00:00', closes: '24:00' })); // prettier-ignore
      const set = async (more: Partial<catalogV1.Installation>, updateMask: string[]) => {
        const installation = catalogV1.Installation.fromPartial({ name: NAME, ...more });
        await stack.client(catalogV1.CatalogServiceService).updateInstallation({ installation, updateMask });
      };
      await set({ businessHours, holidaysOf: 'DE-BE' }, ['business_hours', 'holidays_of']);
      const { advice, outlook } = await advise(update(`${christmas}T12:00`));
      expect(advice).toEqual([]);
      expect(outlook).toMatchObject({ holiday: 'Christmas Day', insideBusinessHours: false });
      await set({ workedHolidays: [christmas] }, ['worked_holidays']);
      const worked = await advise(update(`${christmas}T12:00`));
      expect(worked.advice).toMatchObject([{ caution: 'inside-business-hours' }]);
      await set({ holidaysOf: 'CN' }, ['holidays_of']);
      // Beyond the years that public holidays are worked out for.
      const { advice: cautions, outlook: found } = await advise(update('2999-12-30T10:00'));
      expect(cautions).toMatchObject([{ caution: 'inside-business-hours' }]);
      expect(found).toMatchObject({ holiday: '', collisions: [] });
      for (const odd of ['0001-01-01T10:00', '9999-12-31T23:00']) {
        const violations = [{ field: 'job.start.time.local_time' }];
        await expect(advise(update(odd))).rejects.toMatchObject({ violations });
      }
      await set({}, ['business_hours', 'holidays_of', 'worked_holidays']);
    });

    it('keeps what was confirmed for a start by hand with that run', async () => {
      await save('other', localIn(10 * MINUTE_MS));
      await enable('other');
      await save('by-hand', localIn(2 * DAY_MS));
      const name = `${NAME}/jobs/by-hand`;
      const startNow = (confirmedCautions: string[]) =>
        scheduler().startJob({ name, confirmedCautions, requestId: 'one' });
      await expect(startNow([])).rejects.toMatchObject({ violations: [{ field: 'collides-with-job' }] });
      const { run } = await startNow(['collides-with-job']);
      const { message } = await stack.seen('RunStarted', (m) => m.run?.job === 'by-hand');
      const { report } = await scheduler().getRunReport({ name: run });
      expect(report?.confirmations).toMatchObject([{ caution: 'collides-with-job', confirmedBy: 'admin' }]);
      // What did not succeed is not measured.
      const failure = { reason: 'DISK_FULL', message: 'no room' };
      await stack.publish('BackupFailed', SITE, eventsV1.BackupFailed.fromPartial({ run: message.run ?? {}, failure }));
      await stack.seen('RunFinished', (m) => m.run?.run === message.run?.run);
    });

    it('finds what collides; what was confirmed stands in the report and in the audit trail, with who it was', async () => {
      await expect(save('nightly', localIn(2_000))).rejects.toMatchObject({
        violations: [{ field: 'collides-with-job' }],
      });
      const saved = await save('nightly', localIn(2_000), ['collides-with-job']);
      expect(saved.outlook?.collisions).toMatchObject([{ job: `${NAME}/jobs/other`, run: '' }]);
      await enable('nightly');
      const { message } = await stack.seen('RunStarted', (m) => m.run?.job === 'nightly', 20_000);
      await stack.publish('BackupTaken', SITE, eventsV1.BackupTaken.fromPartial({ run: message.run ?? {} }));
      await stack.seen('RunFinished', (m) => m.run?.run === message.run?.run);

      const { report } = await scheduler().getRunReport({ name: `${NAME}/runs/${message.run?.run}` });
      expect(report?.confirmedCautions).toEqual(['collides-with-job']);
      expect(report?.confirmations).toMatchObject([{ caution: 'collides-with-job', confirmedBy: 'admin', text: expect.stringContaining('other is due at') as string }]); // prettier-ignore
      const { auditRecords } = await stack
        .client(operationsV1.OperationsServiceService)
        .listAuditRecords(operationsV1.ListAuditRecordsRequest.fromPartial({ pageSize: 100, ownProcess: true }));
      const confirmed = auditRecords.filter(({ reason }) =>
        reason.startsWith('confirmed collides-with-job: other is due'),
      );
      const methods = confirmed.map(({ actor, method, resource }) => [actor, method.split('/').pop(), resource]);
      expect(methods).toEqual([
        ['admin', 'CreateJob', `${NAME}/jobs/nightly`],
        ['admin', 'StartJob', `${NAME}/jobs/by-hand`],
      ]);
      // Its length was measured.
      const { outlook } = await advise(jobOf(localIn(3 * HOUR_MS), JobType.DATA_BACKUP));
      expect(outlook?.length).toMatchObject({ runs: 1 });
      expect(outlook?.collisions).toEqual([]);
    });
  });
}

suite('advice, embedded', {});
describeWith('nats', 'advice, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('advice', { bus: 'nats', store: 'mongodb' }));
});
