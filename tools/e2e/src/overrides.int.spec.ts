import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, hostOrderV1, operationsV1, preflightV1, schedulerV1 } from '@lastcall/contracts';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { CODE } from '@lastcall/sdk';
import { describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { addSite, localIn, NAME, publishRelease } from './world/site.js';

/*
 * Rehearsals and overrides with the services that they concern; the test plays the host. A job is rehearsed when it is enabled, no more
 * when it is not, and what a person has said about a check stands in the report beside the verdict.
 */

const { JobType } = commonV1;
const { Verdict } = preflightV1;
const HOUR_MS = 3_600_000;

const FACTS = hostOrderV1.HostFacts.fromPartial({
  ...{ os: 'linux', osVersion: '6.1', cpuCount: 2, agentVersion: '0.1.0', installedVersion: '11.0.0' },
  ...{ memoryBytes: 2n ** 33n, stageFreeBytes: 2n ** 33n, backupFreeBytes: 2n ** 33n, dataBytes: 2n ** 20n },
  canBackUp: true,
});

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack({ modules: [catalogModule, schedulerModule, preflightModule, sessionModule], ...pair });
      await addSite(stack);
      await publishRelease(stack, '11.1.0');
    });
    afterAll(() => stack.stop());

    const scheduler = () => stack.client(schedulerV1.SchedulerServiceService);
    const preflight = () => stack.client(preflightV1.PreflightServiceService);

    async function save(jobId: string): Promise<void> {
      const start = { condition: { $case: 'time' as const, value: { localTime: localIn(2 * HOUR_MS) } } };
      const job = schedulerV1.Job.fromPartial({ title: jobId, type: JobType.SOFTWARE_UPDATE, start });
      await scheduler().createJob({ parent: NAME, jobId, job, confirmedCautions: [] });
    }
    const enable = (job: string) =>
      scheduler().enableJob({ name: `${NAME}/jobs/${job}`, etag: '', confirmedCautions: [] });
    const disable = (job: string) => scheduler().disableJob({ name: `${NAME}/jobs/${job}` });

    /** Answers for the host, with a clock that differs by so much. */
    async function answer(report: string, aheadMs: number): Promise<void> {
      const { message } = await stack.seen('HostOrderIssued', (m) => m.order?.order.startsWith(`${report}.`) === true);
      const value = { ...FACTS, clock: new Date(Date.now() + aheadMs) };
      const result = hostOrderV1.OrderResult.fromPartial({ evidence: { $case: 'facts', value } });
      await stack.publish('HostOrderCompleted', 'berlin', { order: message.order, result });
    }
    const idOf = (report: preflightV1.Report | undefined): string => report?.name.split('/').at(-1) ?? '';
    async function reportOf(id: string): Promise<preflightV1.Report> {
      const { report } = await preflight().getReport({ name: `${NAME}/reports/${id}` });
      return report ?? preflightV1.Report.create();
    }
    async function rehearse(job: string, aheadMs: number): Promise<preflightV1.Report> {
      const { report } = await preflight().createReport({ parent: NAME, version: '', job });
      await answer(idOf(report), aheadMs);
      let found = preflightV1.Report.create();
      await until(async () => {
        found = await reportOf(idOf(report));
        return found.finishTime !== undefined;
      }, 'the verdict');
      return found;
    }
    const override = (more: Partial<preflightV1.Override>, by = preflight()) => {
      const expireTime = new Date(Date.now() + HOUR_MS);
      const wanted = {
        job: 'night',
        check: 'clock',
        host: 'srv1',
        reason: 'NTP comes on Monday.',
        expireTime,
        ...more,
      };
      return by.createOverride({ parent: NAME, override: preflightV1.Override.fromPartial(wanted) });
    };
    /** The report that a job's rehearsal asks its hosts for. */
    async function asked(job: string, count: number): Promise<string> {
      let found: readonly preflightV1.Report[] = [];
      await until(async () => {
        const { reports } = await preflight().listReports({ parent: NAME, pageSize: 0, pageToken: '' });
        found = reports.filter((r) => r.rehearsal?.job === job);
        return found.length === count;
      }, `rehearsal ${count} of ${job}`);
      return idOf(found[0]);
    }

    it('rehearses a job when it is enabled and tells its owner, and what was taken back says nothing', async () => {
      await save('evening');
      await enable('evening');
      const first = await asked('evening', 1);
      await disable('evening');
      await until(async () => (await reportOf(first)).finishTime !== undefined, 'the end of the rehearsal');
      await answer(first, HOUR_MS);
      await enable('evening');
      const second = await asked('evening', 2);
      await answer(second, HOUR_MS);
      const { message } = await stack.seen('RehearsalFailed', (m) => m.job === 'evening');
      expect(message).toMatchObject({ report: second, requestedBy: 'admin', product: 'encore', version: '11.1.0' });
      const clock = {
        check: 'clock',
        host: 'srv1',
        found: '3600 s ahead',
        remedy: expect.stringContaining('NTP') as string,
      };
      expect(message.blocking).toMatchObject([clock]);
      expect((await reportOf(first)).verdict).toBe(Verdict.UNSPECIFIED);
      expect(stack.envelopes.filter((e) => e.type === 'RehearsalFailed')).toHaveLength(1);
      await disable('evening');
    });

    it('lets a job go ahead while an override stands: in the rehearsal, in the run, and not when it is taken back', async () => {
      await save('night');
      expect(await rehearse('night', HOUR_MS)).toMatchObject({ verdict: Verdict.FAILED, rehearsal: { why: 'asked' } });
      const made = (await override({})).override;
      const beside = { override: { reason: 'NTP comes on Monday.', createdBy: 'admin', host: 'srv1' } };
      const operations = stack.client(operationsV1.OperationsServiceService);
      const { auditRecords } = await operations.listAuditRecords({ pageSize: 200, pageToken: '', ownProcess: true });
      const record = auditRecords.find((r) => r.resource === made?.name);
      expect(record).toMatchObject({
        actor: 'admin',
        reason: expect.stringMatching(/^clock on srv1 of job night until .*: NTP comes/) as string,
      });
      const overridden = await rehearse('night', HOUR_MS);
      expect(overridden.verdict).toBe(Verdict.PASSED);
      expect(overridden.checks.find((c) => c.check === 'clock')).toMatchObject({ verdict: Verdict.FAILED, ...beside });

      const name = `${NAME}/jobs/night`;
      const { run } = await scheduler().startJob({
        name,
        confirmedCautions: ['users-logged-in', 'inside-business-hours'],
        requestId: '',
      });
      const id = run.split('/').at(-1) ?? '';
      const { message } = await stack.seen('HostOrderIssued', (m) => m.order?.run === id);
      await answer(message.order?.order.split('.')[0] ?? '', HOUR_MS);
      const passed = (await stack.seen('PreflightPassed', (m) => m.run?.run === id)).message;
      const reportOfRun = async () => (await scheduler().getRunReport({ name: run })).report;
      await until(async () => (await reportOfRun())?.preflight !== undefined, 'the run to hear of its report');
      const report = await reportOfRun();
      expect(report?.preflight?.name).toBe(`${NAME}/reports/${passed.report}`);
      expect(report?.preflight?.checks.find((c) => c.check === 'clock')).toMatchObject(beside);

      const revoked = await preflight().revokeOverride({ name: made?.name ?? '' });
      expect(revoked.override).toMatchObject({ revokedBy: 'admin' });
      expect(await rehearse('night', HOUR_MS)).toMatchObject({ verdict: Verdict.FAILED });
      const { overrides } = await preflight().listOverrides({ parent: NAME, pageSize: 0, pageToken: '' });
      expect(overrides).toMatchObject([{ name: made?.name, revokedBy: 'admin' }]);
    });

    it('refuses what nobody can override, what is not there, and whoever may not', async () => {
      await expect(override({ check: 'backup' })).rejects.toMatchObject({ reason: 'NEVER_OVERRIDDEN' });
      await expect(override({ job: 'none' })).rejects.toMatchObject({ code: CODE.notFound });
      const none = { job: '', check: 'gate', host: 'x', reason: '', expireTime: undefined };
      await expect(override(none)).rejects.toMatchObject({
        violations: ['job', 'check', 'host', 'reason', 'expire_time'].map((field) => ({ field: `override.${field}` })),
      });
      const name = `${NAME}/overrides/o-none`;
      await expect(preflight().revokeOverride({ name })).rejects.toMatchObject({ code: CODE.notFound });
      const viewer = stack.client(preflightV1.PreflightServiceService, 'viewer');
      await expect(viewer.revokeOverride({ name })).rejects.toMatchObject({ code: CODE.permissionDenied });
      const both = { parent: NAME, version: '11.1.0', job: 'night' };
      await expect(preflight().createReport(both)).rejects.toMatchObject({ violations: [{ field: 'version' }] });
      await expect(preflight().createReport({ ...both, version: '', job: 'none' })).rejects.toMatchObject({
        code: CODE.notFound,
      });
    });

    it('needs another person than the one who enabled the job, where the installation demands two', async () => {
      const installation = catalogV1.Installation.fromPartial({ name: NAME, approvalRequired: true });
      const updateMask = ['approval_required'];
      await stack.client(catalogV1.CatalogServiceService).updateInstallation({ installation, updateMask });
      await save('grave');
      const alone = { reason: 'SECOND_PERSON_NEEDED' };
      await expect(override({ job: 'grave' })).rejects.toMatchObject({
        ...alone,
        message: expect.stringContaining('is enabled first') as string,
      });
      await enable('grave');
      await expect(override({ job: 'grave' })).rejects.toMatchObject({
        ...alone,
        message: expect.stringContaining('admin has enabled') as string,
      });
      const second = stack.client(preflightV1.PreflightServiceService, 'operator');
      expect((await override({ job: 'grave' }, second)).override).toMatchObject({
        createdBy: 'operator',
        job: 'grave',
      });
    });
  });
}

suite('overrides, embedded', {});
describeWith('nats', 'overrides, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('overrides', { bus: 'nats', store: 'mongodb' }));
});
