import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, eventsV1, runSpecToWire, parseRunSpec, schedulerV1 } from '@lastcall/contracts';
import { CODE } from '@lastcall/sdk';
import { schedulerModule } from '@lastcall/scheduler';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';

/*
 * Jobs, firings and runs on the real catalog. The services that would carry a run out are not there: their events are said by the test.
 */

const { JobType, HostRole, InstallationKind, RunOutcome } = commonV1;
const ZONE = 'Europe/Berlin';

/** Local time of the zone, `ms` from now. */
function localIn(ms: number): string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: ZONE, dateStyle: 'short', timeStyle: 'medium' });
  return format.format(Date.now() + ms).replace(' ', 'T');
}

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    const client = () => stack.client(schedulerV1.SchedulerServiceService);
    beforeEach(async () => {
      stack = await startStack({ modules: [catalogModule, schedulerModule], ...pair });
      await addInstallation();
    });
    afterEach(() => stack.stop());

    async function addInstallation(): Promise<void> {
      const catalog = stack.client(catalogV1.CatalogServiceService);
      await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
      const installation = catalogV1.Installation.fromPartial({
        title: 'Berlin',
        product: 'encore',
        kind: InstallationKind.MULTI_USER,
        channel: 'stable',
        timeZone: ZONE,
        businessHours: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((weekday) => ({
          weekday,
          opens: '00:00',
          closes: '23:59',
        })),
      });
      await catalog.createInstallation({ installationId: 'berlin', installation });
      const joined = eventsV1.HostJoined.fromPartial({
        installation: 'berlin',
        host: 'srv1',
        role: HostRole.SERVER,
        installedVersion: '11.0.0',
        publicKey: Buffer.alloc(32),
        platform: 'linux-x64',
      });
      await stack.publish('HostJoined', 'berlin', joined);
      await stack.seen('InstalledReleaseChanged');
    }

    const create = (jobId: string, job: Partial<schedulerV1.Job> = {}, confirmedCautions: string[] = []) =>
      client().createJob({
        parent: 'installations/berlin',
        jobId,
        job: schedulerV1.Job.fromPartial({
          title: 'Backup',
          type: JobType.DATA_BACKUP,
          start: { condition: { $case: 'time', value: { localTime: localIn(1_500) } } },
          ...job,
        }),
        confirmedCautions,
      });
    const enable = (job: string) =>
      client().enableJob({ name: `installations/berlin/jobs/${job}`, etag: '', confirmedCautions: [] });
    const firings = async (job: string) =>
      (await client().listFirings({ parent: `installations/berlin/jobs/${job}`, pageSize: 0, pageToken: '' })).firings;
    const finish = async (run: commonV1.RunSpec | undefined, outcome: 'BackupTaken' | 'BackupFailed') => {
      if (outcome === 'BackupTaken')
        await stack.publish('BackupTaken', 'berlin', eventsV1.BackupTaken.fromPartial({ run: run ?? {} }));
      else
        await stack.publish(
          'BackupFailed',
          'berlin',
          eventsV1.BackupFailed.fromPartial({ run: run ?? {}, failure: { reason: 'DISK_FULL', message: 'no room' } }),
        );
      return (await stack.seen('RunFinished', (m) => m.run?.run === run?.run)).message;
    };

    it('is created disabled, fires once at its time and never before, and finishes with what it hears', async () => {
      const { job } = await create('nightly');
      expect(job).toMatchObject({ state: schedulerV1.JobState.DISABLED, nextDueTime: undefined });
      const enabled = (await enable('nightly')).job;
      const { message, envelope } = await stack.seen('RunStarted');
      expect(envelope.time).toBeGreaterThanOrEqual(enabled?.nextDueTime?.getTime() ?? Infinity);
      expect(parseRunSpec(message.run)).toMatchObject({
        job: 'nightly',
        fence: expect.any(Number),
        hosts: [{ host: 'srv1' }],
        requestedBy: 'admin',
      });
      expect((await finish(message.run, 'BackupTaken')).outcome).toBe(RunOutcome.SUCCEEDED);
      expect(await firings('nightly')).toMatchObject([{ fate: schedulerV1.FiringFate.FIRED, run: message.run?.run }]);
      expect((await client().getJob({ name: 'installations/berlin/jobs/nightly' })).job?.state).toBe(
        schedulerV1.JobState.DONE,
      );
      const { report } = await client().getRunReport({ name: `installations/berlin/runs/${message.run?.run}` });
      expect(report?.run?.timeline.map((t) => t.event)).toEqual(['RunStarted', 'BackupTaken']);
    });

    it('lets one run of an installation pass at a time, and says what became of the other', async () => {
      await create('first');
      await create('second');
      const name = (job: string) => ({
        name: `installations/berlin/jobs/${job}`,
        confirmedCautions: [],
        requestId: '',
      });
      await client().startJob(name('first'));
      await expect(client().startJob(name('second'))).rejects.toMatchObject({
        code: CODE.failedPrecondition,
        reason: 'NOT_STARTED',
      });
      expect(await firings('second')).toMatchObject([{ fate: schedulerV1.FiringFate.SKIPPED }]);
      const { message } = await stack.seen('RunStarted');
      await finish(message.run, 'BackupTaken');
      // At once, whether RunFinished was taken in already or not.
      await client().startJob({ ...name('second'), requestId: 'again' });
      const second = await stack.seen('RunStarted', (m) => m.run?.job === 'second');
      expect(second.message.run?.fence).toBeGreaterThan(message.run?.fence ?? Infinity);
    });

    it('starts the follow-up job of a run that failed, once', async () => {
      await create('rescue');
      await create('nightly', { followUpJob: 'rescue' });
      await client().startJob({ name: 'installations/berlin/jobs/nightly', confirmedCautions: [], requestId: 'once' });
      const { message } = await stack.seen('RunStarted');
      const repeated = await client().startJob({
        name: 'installations/berlin/jobs/nightly',
        confirmedCautions: [],
        requestId: 'once',
      });
      expect(repeated.run).toBe(`installations/berlin/runs/${message.run?.run}`);
      const finished = await finish(message.run, 'BackupFailed');
      expect(finished).toMatchObject({ outcome: RunOutcome.FAILED, failure: { reason: 'DISK_FULL' } });
      await stack.seen('RunStarted', (m) => m.run?.job === 'rescue');
      expect(await firings('rescue')).toHaveLength(1);
    });

    it('plans another try of a run that failed, once, and no follow-up job before the last', async () => {
      await create('rescue');
      await create('nightly', { followUpJob: 'rescue', retries: 1, retryPause: { seconds: 60n, nanos: 0 } });
      const name = 'installations/berlin/jobs/nightly';
      await client().startJob({ name, confirmedCautions: [], requestId: 'once' });
      const { message } = await stack.seen('RunStarted');
      await finish(message.run, 'BackupFailed');
      await until(async () => (await firings('nightly')).length === 2, 'the next try');
      const [retry, first] = await firings('nightly');
      expect([first, retry]).toMatchObject([
        { attempt: 0, fate: schedulerV1.FiringFate.FIRED },
        { attempt: 1, fate: schedulerV1.FiringFate.UNSPECIFIED },
      ]);
      expect(retry?.nominalTime?.getTime()).toBeGreaterThan(Date.now() + 50_000);
      expect(await firings('rescue')).toEqual([]);
    });

    it('skips what cannot be done and says why', async () => {
      await create('update', { type: JobType.SOFTWARE_UPDATE }, ['inside-business-hours']);
      await enable('update');
      for (;;) {
        const [firing] = await firings('update');
        if (!firing || firing.fate === schedulerV1.FiringFate.UNSPECIFIED) continue;
        expect(firing).toMatchObject({ fate: schedulerV1.FiringFate.SKIPPED });
        expect(firing.reason).not.toBe('');
        break;
      }
      expect(stack.envelopes.some((e) => e.type === 'RunStarted')).toBe(false);
    });

    it('skips a run that does not fit into what is left of its window, and says so', async () => {
      const due = new Date(Math.ceil((Date.now() + 1_500) / 1_000) * 1_000);
      const end = new Date(Math.ceil((due.getTime() + 10 * 60_000) / 60_000) * 60_000);
      const local = (at: Date) => localIn(at.getTime() - Date.now());
      const start = { condition: { $case: 'time' as const, value: { localTime: local(due) } } };
      // It fits to the second, and it is never so early.
      const maxRunTime = { seconds: BigInt((end.getTime() - due.getTime()) / 1_000), nanos: 0 };
      await create('tight', { start, maxRunTime, windowEnd: local(end).slice(11, 16) });
      await enable('tight');
      await until(async () => (await firings('tight'))[0]?.fate === schedulerV1.FiringFate.SKIPPED, 'the record');
      expect((await firings('tight'))[0]?.reason).toContain('(its maximum run time), and its window ends at');
      const short = create('short', {
        start,
        windowEnd: local(end).slice(11, 16),
        reactionTime: { seconds: 86_400n, nanos: 0 },
      });
      await expect(short).rejects.toMatchObject({ violations: [{ field: 'job.window_end' }] });
    });

    it('asks for confirmation of an update inside business hours, by name', async () => {
      const job = { type: JobType.SOFTWARE_UPDATE };
      await expect(create('update', job)).rejects.toMatchObject({
        code: CODE.failedPrecondition,
        reason: 'CONFIRMATION_REQUIRED',
        violations: [{ field: 'inside-business-hours', description: expect.stringContaining('00:00–23:59') }],
      });
      expect((await create('update', job, ['inside-business-hours'])).advice).toHaveLength(1);
    });

    it('refuses wrong fields, all at once and by name, and leaves nothing behind', async () => {
      const wrong = create('Nightly!', {
        title: 'bell\u0007',
        type: 99 as commonV1.JobType,
        start: { condition: { $case: 'time', value: { localTime: '2026-02-30T10:00' } } },
        version: 'latest',
        maxRunTime: { seconds: 1n, nanos: 0 },
        remarks: 'x'.repeat(4_001),
      });
      await expect(wrong).rejects.toMatchObject({ code: CODE.invalidArgument });
      const error = await wrong.catch((e: { violations: { field: string }[] }) => e);
      const fields = 'violations' in error ? error.violations.map((v) => v.field) : [];
      expect(fields).toEqual(
        expect.arrayContaining([
          'job_id',
          'job.title',
          'job.type',
          'job.start.time.local_time',
          'job.version',
          'job.max_run_time',
          'job.remarks',
        ]),
      );
      await expect(create('x', { followUpJob: 'nobody' })).rejects.toMatchObject({
        violations: [{ field: 'job.follow_up_job' }],
      });
      await expect(create('x', { serviceHost: 'nowhere' })).rejects.toMatchObject({
        violations: [{ field: 'job.service_host' }],
      });
      const { jobs } = await client().listJobs({ parent: 'installations/berlin', pageSize: 0, pageToken: '' });
      expect(jobs).toEqual([]);
    });

    it('refuses a duplicate name, a time in the past, a lost edit and an unknown installation', async () => {
      await create('nightly');
      await expect(create('nightly')).rejects.toMatchObject({ code: CODE.alreadyExists });
      await create('past', { start: { condition: { $case: 'time', value: { localTime: localIn(-60_000) } } } });
      await expect(enable('past')).rejects.toMatchObject({ reason: 'TIME_IN_THE_PAST' });
      const edit = { name: 'installations/berlin/jobs/nightly', title: 'New', etag: '1' };
      const update = (etag: string) =>
        client().updateJob({
          job: schedulerV1.Job.fromPartial({ ...edit, etag }),
          updateMask: ['title'],
          confirmedCautions: [],
        });
      await update('1');
      await expect(update('1')).rejects.toMatchObject({ reason: 'ETAG_MISMATCH' });
      await expect(
        client().listRuns({ parent: 'installations/berlin', pageSize: -1, pageToken: '', job: '' }),
      ).rejects.toMatchObject({ violations: [{ field: 'page_size' }] });
      const elsewhere = client().createJob({
        parent: 'installations/nowhere',
        jobId: 'x',
        job: schedulerV1.Job.fromPartial({
          title: 'x',
          type: JobType.DATA_BACKUP,
          start: { condition: { $case: 'immediate', value: {} } },
        }),
        confirmedCautions: [],
      });
      await expect(elsewhere).rejects.toMatchObject({ code: CODE.notFound });
    });

    it('tells about local times that do not exist or exist twice', async () => {
      const at = (localTime: string) => ({ start: { condition: { $case: 'time' as const, value: { localTime } } } });
      expect((await create('gap', at('2027-03-28T02:30'))).notes[0]).toContain('does not exist');
      expect((await create('twice', at('2027-10-31T02:30'))).notes[0]).toContain('happens twice');
    });

    it('keeps a series: its words on the wire, its next times, its cautions, and a clear refusal of what is none', async () => {
      const series = (cron: string) => ({ start: { condition: { $case: 'series' as const, value: { cron } } } });
      await create('sundays', series(' 0 3 * *  sun#2'));
      const { job } = await enable('sundays');
      expect(job).toMatchObject(series('0 3 * * SUN#2'));
      const due = job?.nextDueTime ?? new Date(0);
      expect([due.getUTCDay(), due.getTime() > Date.now()]).toEqual([0, true]);
      const { explanation } = await client().getJob({ name: 'installations/berlin/jobs/sundays' });
      expect(explanation).toMatch(/^Runs at \S+ 03:00, then \S+ 03:00 and \S+ 03:00 \(Europe\/Berlin\)\.$/);
      const { notes } = await create('gaps', series('30 2 * * *'));
      expect(notes).toHaveLength(2);
      const update = create('updates', { ...series('0 12 * * *'), type: JobType.SOFTWARE_UPDATE });
      await expect(update).rejects.toMatchObject({ violations: [{ field: 'inside-business-hours' }] });
      for (const cron of ['', '0 3 30 2 *', '99 3 * * *', '0 0 3 * * *']) {
        const violations = [{ field: 'job.start.series.cron' }];
        await expect(create('wrong', series(cron))).rejects.toMatchObject({ violations });
      }
    });

    it('shows a run as it goes, and cancels it until the install has begun', async () => {
      await create('nightly');
      const { run } = await client().startJob({
        name: 'installations/berlin/jobs/nightly',
        confirmedCautions: [],
        requestId: '',
      });
      const { message } = await stack.seen('RunStarted');
      const phases: string[] = [];
      const watching = (async () => {
        for await (const { run: now } of client().watchRun({ name: run })) phases.push(now?.phase ?? '');
      })();
      await client().cancelRun({ name: run, reason: 'not tonight' });
      const { message: asked } = await stack.seen('RunCancelRequested');
      expect(asked).toMatchObject({ requestedBy: 'admin', reason: 'not tonight', expired: false });
      const wire = runSpecToWire(parseRunSpec(message.run));
      await stack.publish('RunCancelled', 'berlin', {
        run: wire,
        requestedBy: 'admin',
        reason: 'not tonight',
        expired: false,
      });
      await watching;
      expect(phases.at(-1)).toBe('ended');
      expect((await client().getRun({ name: run })).run).toMatchObject({
        outcome: RunOutcome.CANCELLED,
        cancelRequested: true,
      });
      await expect(client().cancelRun({ name: run, reason: 'x' })).rejects.toMatchObject({ reason: 'RUN_ENDED' });
    });
  });
}

suite('scheduler, embedded', {});
describeWith('nats', 'scheduler, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('scheduler', { bus: 'nats', store: 'mongodb' }));
});
