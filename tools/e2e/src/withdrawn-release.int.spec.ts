import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, eventsV1, operationsV1, schedulerV1 } from '@lastcall/contracts';
import { schedulerModule } from '@lastcall/scheduler';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { addSite, localIn, NAME, publishRelease } from './world/site.js';

/*
 * What becomes of everything that was planned with a release that is withdrawn, and of what has nothing to do with it.
 */

const { InstallationKind, JobType } = commonV1;
const { JobState } = schedulerV1;
const DESK = 'installations/desk';
const HOUR_MS = 3_600_000;
const BAD = '11.0.5';
const REASON = 'It loses bookings on Sundays.';
const BECAUSE = `the release ${BAD} was withdrawn: ${REASON}`;

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    beforeEach(async () => {
      stack = await startStack({ modules: [catalogModule, schedulerModule], ...pair });
      await addSite(stack);
      await addSite(stack, { id: 'desk', kind: InstallationKind.SINGLE_USER });
      for (const version of ['11.0.4', BAD]) await publishRelease(stack, version);
    });
    afterEach(() => stack.stop());

    const client = () => stack.client(schedulerV1.SchedulerServiceService);
    const jobName = (job: string): string => `${NAME}/jobs/${job}`;
    const jobOf = async (job: string) => (await client().getJob({ name: jobName(job) })).job;

    async function save(jobId: string, more: Partial<schedulerV1.Job> = {}, parent = NAME): Promise<void> {
      const start = { condition: { $case: 'time' as const, value: { localTime: localIn(2 * HOUR_MS) } } };
      const job = { title: jobId, type: JobType.SOFTWARE_UPDATE, start, version: BAD, ...more };
      await client().createJob({
        ...{ parent, jobId, job: schedulerV1.Job.fromPartial(job) },
        confirmedCautions: [],
      });
    }
    const enable = (job: string) =>
      client().enableJob({ name: jobName(job), etag: '', confirmedCautions: ['collides-with-job'] });
    /** Where one person works: nobody has to be counted first. */
    async function start(): Promise<commonV1.RunSpec> {
      await save('now', {}, DESK);
      await client().startJob({ name: `${DESK}/jobs/now`, confirmedCautions: [], requestId: '' });
      const { message } = await stack.seen('RunStarted');
      return message.run ?? commonV1.RunSpec.create();
    }
    const withdraw = () =>
      stack
        .client(catalogV1.CatalogServiceService)
        .withdrawRelease({ name: `products/encore/releases/${BAD}`, reason: REASON });
    const audited = async () =>
      (
        await stack
          .client(operationsV1.OperationsServiceService)
          .listAuditRecords(operationsV1.ListAuditRecordsRequest.fromPartial({ pageSize: 100, ownProcess: true }))
      ).auditRecords.filter((r) => r.actor === 'scheduler');

    it('disables the jobs that name it, with the reason and a record, and no others', async () => {
      await save('bad');
      await save('newest', { version: '' });
      await save('good', { version: '11.0.4' });
      await save('draft');
      for (const job of ['bad', 'newest', 'good']) await enable(job);
      await withdraw();
      await until(async () => (await jobOf('bad'))?.state === JobState.DISABLED, 'the job to be disabled');
      expect(await jobOf('bad')).toMatchObject({ disabledReason: BECAUSE, nextDueTime: undefined });
      const { explanation } = await client().getJob({ name: jobName('bad') });
      expect(explanation).toContain(REASON);
      expect(await jobOf('newest')).toMatchObject({ state: JobState.ENABLED, disabledReason: '' });
      expect(await jobOf('good')).toMatchObject({ state: JobState.ENABLED, disabledReason: '' });
      expect(await jobOf('draft')).toMatchObject({ state: JobState.DISABLED, disabledReason: '' });
      const off = await stack.seen('RunPlanned', (m) => m.job === 'bad' && m.end !== '');
      expect(off.message).toMatchObject({ startTime: undefined, end: 'cancelled' });
      expect(await audited()).toMatchObject([{ resource: jobName('bad'), reason: BECAUSE }]);
      // Its owner cannot enable it again, and the reason goes when it is made another job.
      await expect(enable('bad')).rejects.toMatchObject({ reason: 'RELEASE_NOT_POSSIBLE' });
      const job = schedulerV1.Job.fromPartial({ name: jobName('bad'), version: '11.0.4' });
      await client().updateJob({ job, updateMask: ['version'], confirmedCautions: ['collides-with-job'] });
      expect(await jobOf('bad')).toMatchObject({ disabledReason: '', version: '11.0.4' });
    });

    it('cancels a run that has not begun to install', async () => {
      const run = await start();
      await withdraw();
      const { message } = await stack.seen('RunCancelRequested');
      expect(message).toMatchObject({ requestedBy: 'scheduler', reason: BECAUSE, expired: false });
      expect(message.run?.run).toBe(run.run);
      expect(await audited()).toMatchObject([{ resource: `${DESK}/runs/${run.run}`, reason: BECAUSE }]);
    });

    it('leaves a run alone that is installing: it ends with an outcome by itself', async () => {
      await save('later');
      const run = await start();
      await enable('later');
      await stack.publish('InstallStarted', 'desk', eventsV1.InstallStarted.fromPartial({ run }));
      const name = `${DESK}/runs/${run.run}`;
      await until(async () => (await client().getRun({ name })).run?.phase === 'installing', 'the run to install');
      await withdraw();
      await until(async () => (await jobOf('later'))?.state === JobState.DISABLED, 'the job to be disabled');
      expect((await client().getRun({ name })).run).toMatchObject({ phase: 'installing', cancelRequested: false });
      expect(stack.envelopes.some((e) => e.type === 'RunCancelRequested')).toBe(false);
    });
  });
}

suite('a withdrawn release, embedded', {});
describeWith('nats', 'a withdrawn release, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('a withdrawn release', { bus: 'nats', store: 'mongodb' }));
});
