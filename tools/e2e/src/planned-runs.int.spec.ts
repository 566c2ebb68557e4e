import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, schedulerV1, type eventsV1 } from '@lastcall/contracts';
import { schedulerModule } from '@lastcall/scheduler';
import { describeWith, startStack, type Stack, type StackOptions } from '@lastcall/testkit';
import { addSite, localIn, NAME, publishRelease, SITE } from './world/site.js';

/*
 * What a job is going to do to the users of an installation, as the scheduler says it. Who announces it is not there.
 */

const { InstallationKind, JobType } = commonV1;
const HOUR_MS = 3_600_000;

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack({ modules: [catalogModule, schedulerModule], ...pair });
      await addSite(stack);
    });
    afterAll(() => stack.stop());

    /** These jobs are of one installation and due at about the same time. */
    const confirmedCautions = ['collides-with-job'];
    const client = () => stack.client(schedulerV1.SchedulerServiceService);
    const jobName = (job: string): string => `${NAME}/jobs/${job}`;

    async function save(jobId: string, localTime: string, more: Partial<schedulerV1.Job> = {}): Promise<void> {
      const start = { condition: { $case: 'time' as const, value: { localTime } } };
      const job = { title: jobId, type: JobType.SOFTWARE_UPDATE, start, message: 'New reports.', ...more };
      const parent = more.name ?? NAME;
      await client().createJob({ parent, jobId, job: schedulerV1.Job.fromPartial(job), confirmedCautions });
    }
    async function enable(job: string): Promise<Date | undefined> {
      const enabled = await client().enableJob({ name: jobName(job), etag: '', confirmedCautions });
      return enabled.job?.nextDueTime;
    }
    async function move(jobId: string, localTime: string): Promise<void> {
      const start = { condition: { $case: 'time' as const, value: { localTime } } };
      const job = schedulerV1.Job.fromPartial({ name: jobName(jobId), start });
      await client().updateJob({ job, updateMask: ['start'], confirmedCautions });
    }

    /** What was said of the job, in order, until there are so many. */
    async function planned(job: string, count: number): Promise<readonly eventsV1.RunPlanned[]> {
      const said: eventsV1.RunPlanned[] = [];
      await stack.seen('RunPlanned', (m) => {
        if (m.job === job) said.push(m);
        return said.length === count;
      });
      return said;
    }

    it('says the time when a job is enabled, and that it is off when it is disabled or moved', async () => {
      await save('night', localIn(2 * HOUR_MS));
      const first = await enable('night');
      await client().disableJob({ name: jobName('night') });
      const second = await enable('night');
      await move('night', localIn(3 * HOUR_MS));
      const third = await enable('night');
      const off = { startTime: undefined, end: 'cancelled' };
      const on = { installation: SITE, job: 'night', product: 'encore', version: '', message: 'New reports.', end: '' };
      expect(await planned('night', 5)).toMatchObject([
        { ...on, startTime: first },
        off,
        { ...on, startTime: second },
        off,
        { ...on, startTime: third },
      ]);
      expect(third).not.toEqual(second);
    });

    it('says that a deleted job is off, and the time of another job of that name', async () => {
      await save('again', localIn(2 * HOUR_MS));
      await enable('again');
      await client().deleteJob({ name: jobName('again'), etag: '' });
      await expect(client().getJob({ name: jobName('again') })).rejects.toMatchObject({ code: 5 });
      await expect(client().deleteJob({ name: jobName('again'), etag: '' })).rejects.toMatchObject({ code: 5 });
      const { jobs } = await client().listJobs({ parent: NAME, pageSize: 0, pageToken: '' });
      expect(jobs.map((j) => j.name)).not.toContain(jobName('again'));
      await save('again', localIn(4 * HOUR_MS));
      const startTime = await enable('again');
      expect((await planned('again', 3)).map((m) => m.end)).toEqual(['', 'cancelled', '']);
      expect((await planned('again', 3)).at(-1)).toMatchObject({ startTime });
    });

    it('says that it is off when the firing could not become a run', async () => {
      await save('skipped', localIn(1_500), { version: '' });
      await enable('skipped');
      expect((await planned('skipped', 2)).map((m) => m.end)).toEqual(['', 'cancelled']);
    });

    it('says that a job is off when its release was withdrawn', async () => {
      await publishRelease(stack, '11.0.5');
      await save('old', localIn(2 * HOUR_MS), { version: '11.0.5' });
      await enable('old');
      const release = { name: 'products/encore/releases/11.0.5', reason: 'It loses orders.' };
      await stack.client(catalogV1.CatalogServiceService).withdrawRelease(release);
      const [on, off] = await planned('old', 2);
      expect(on).toMatchObject({ version: '11.0.5', end: '' });
      expect(off).toMatchObject({ startTime: undefined, end: 'cancelled' });
    });

    it('says nothing of backups, and where one person works', async () => {
      await save('backup', localIn(2 * HOUR_MS), { type: JobType.DATA_BACKUP });
      await enable('backup');
      await addSite(stack, { id: 'desk', kind: InstallationKind.SINGLE_USER });
      await save('alone', localIn(2 * HOUR_MS), { name: 'installations/desk' });
      await client().enableJob({ name: 'installations/desk/jobs/alone', etag: '', confirmedCautions });
      await save('last', localIn(2 * HOUR_MS));
      await enable('last');
      await planned('last', 1);
      const jobs = stack.envelopes.filter((e) => e.type === 'RunPlanned').map((e) => e.source);
      for (const quiet of ['backup', 'alone']) {
        expect(jobs.filter((source) => source.endsWith(quiet))).toEqual([]);
      }
    });

    it('says that the run has begun, with what is new in the release', async () => {
      await publishRelease(stack, '11.1.0', `Reports are faster. ${'More of it. '.repeat(200)}`);
      await save('tonight', localIn(1_500));
      const startTime = await enable('tonight');
      const { message } = await stack.seen('RunStarted', (m) => m.run?.job === 'tonight', 10_000);
      expect(message.run?.whatsNew).toMatch(/^Reports are faster\. .*\S…$/);
      expect(message.run?.whatsNew.length).toBeLessThanOrEqual(1_000);
      expect(await planned('tonight', 2)).toMatchObject([
        { startTime, end: '' },
        { startTime: undefined, end: 'started' },
      ]);
    });
  });
}

suite('planned runs, embedded', {});
describeWith('nats', 'planned runs, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('planned runs', { bus: 'nats', store: 'mongodb' }));
});
