import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, eventsV1, operationsV1, schedulerV1, type EventType } from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import { schedulerModule } from '@lastcall/scheduler';
import { CODE } from '@lastcall/sdk';
import { createTempFolder, describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { addSite, publishRelease } from './world/site.js';

/*
 * A release on its way through three installations, with the real catalog and the real scheduler. What the installer would say of a run
 * is said here.
 */

const { InstallationKind, JobType } = commonV1;
const { WaveStanding, WaveState } = catalogV1;
const VERSION = '11.1.0';
const SITES = ['berlin', 'bonn', 'bremen'] as const;
type Site = (typeof SITES)[number];
type Ended = Extract<
  EventType,
  'InstallationUpdated' | 'InstallationRolledBack' | 'InstallationQuarantined' | 'PreflightFailed'
>;

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    let folder: Awaited<ReturnType<typeof createTempFolder>>;
    let prefix: string;
    const start = () =>
      startStack({ modules: [catalogModule, schedulerModule], ...pair, dataDir: folder.path, prefix });
    beforeEach(async () => {
      folder = await createTempFolder('waves');
      prefix = randomId('t');
      stack = await start();
      // Berlin and Bonn are the canaries. Where one person works nobody has to be counted before a run.
      for (const id of SITES) {
        const settings = id === 'bremen' ? {} : { group: 'canary' };
        await addSite(stack, { id, kind: InstallationKind.SINGLE_USER, settings });
      }
      await publishRelease(stack, VERSION, '', { channel: 'preview' });
    });
    afterEach(async () => {
      await stack.stop();
      await folder.remove();
    });

    const waves = (role: 'admin' | 'operator' | 'viewer' = 'admin', installation?: string) =>
      stack.client(catalogV1.WaveServiceService, role, installation);
    const catalog = () => stack.client(catalogV1.CatalogServiceService);
    const scheduler = () => stack.client(schedulerV1.SchedulerServiceService);

    const planned = (more: Partial<catalogV1.Wave> = {}): catalogV1.Wave =>
      catalogV1.Wave.fromPartial({
        ...{ product: 'encore', version: VERSION, channel: 'stable', stopAtCount: 2 },
        stages: [{ members: { $case: 'group', value: 'canary' } }, { members: { $case: 'percent', value: 100 } }],
        soakTime: { seconds: 0n, nanos: 3e8 },
        ...more,
      });
    const create = (more: Partial<catalogV1.Wave> = {}, waveId = 'spring') =>
      waves().createWave({ waveId, wave: planned(more) });
    const wave = async () => (await waves().getWave({ name: 'waves/spring' })).wave;
    const members = async () => {
      const request = { parent: 'waves/spring', pageSize: 0, pageToken: '' };
      return (await waves().listWaveInstallations(request)).installations;
    };
    const standings = async () => (await members()).map((i) => i.standing);
    const isState = (state: catalogV1.WaveState, stage: number) =>
      until(async () => {
        const found = await wave();
        return found?.state === state && found.stage === stage;
      }, `the wave to be in state ${state} and stage ${stage}`);
    const offered = (site: Site, version = '') => catalog().checkUpdate({ name: `installations/${site}`, version });
    const audited = async (actor: string) =>
      (
        await stack
          .client(operationsV1.OperationsServiceService)
          .listAuditRecords({ pageSize: 100, pageToken: '', ownProcess: true })
      ).auditRecords
        .filter((r) => r.actor === actor && r.resource === 'waves/spring')
        .map((r) => `${r.method.split('/').at(-1)}: ${r.reason}`)
        .toReversed();

    async function saveJob(site: Site, jobId: string, version = VERSION): Promise<string> {
      const job = { title: jobId, type: JobType.SOFTWARE_UPDATE, version, start: { condition: { $case: 'immediate' as const, value: {} } } }; // prettier-ignore
      const parent = `installations/${site}`;
      await scheduler().createJob({ parent, jobId, job: schedulerV1.Job.fromPartial(job), confirmedCautions: [] });
      return `${parent}/jobs/${jobId}`;
    }
    /** A run of the real scheduler, and how the installer says that it ended. */
    async function update(site: Site, event: Ended, jobId = 'update'): Promise<void> {
      const name = await saveJob(site, jobId);
      const { run } = await scheduler().startJob({ name, confirmedCautions: [], requestId: '' });
      const { message } = await stack.seen('RunStarted', (m) => m.run?.run === run.split('/').at(-1));
      const failure = { reason: 'HEALTH_FAILED', message: `the health check of ${site} failed` };
      const said = { run: message.run, ...(event === 'InstallationUpdated' ? {} : { failure }) };
      await stack.publish(event, site, eventsV1[event].fromPartial(said));
      await stack.seen('RunFinished', (m) => m.run?.run === message.run?.run);
    }

    it('stops by itself when the canaries come back, and goes on when a person says so', async () => {
      await create();
      expect(await offered('berlin')).toMatchObject({
        release: { version: VERSION },
        wave: 'waves/spring',
        waveStage: 1,
      });
      expect(await offered('bremen')).toMatchObject({
        ...{ release: undefined, wave: 'waves/spring', waveStage: 2 },
        reason: `${VERSION} comes in wave spring; bremen is in stage 2 of 2 (100 %), and stage 1 of 2 (group canary) is under way`,
      });
      // Neither by the channel nor by its number.
      const early = await saveJob('bremen', 'early');
      await expect(scheduler().enableJob({ name: early, etag: '', confirmedCautions: [] })).rejects.toMatchObject({
        reason: 'RELEASE_NOT_POSSIBLE',
        message: expect.stringContaining('comes in wave spring'),
      });
      await expect(scheduler().startJob({ name: early, confirmedCautions: [], requestId: '' })).rejects.toMatchObject({
        reason: 'NOT_STARTED',
        message: expect.stringContaining('comes in wave spring'),
      });

      await update('berlin', 'InstallationRolledBack');
      await until(async () => (await standings())[0] === WaveStanding.ROLLED_BACK, 'berlin to be back');
      expect(await wave()).toMatchObject({ state: WaveState.RUNNING, stage: 1 });
      await update('bonn', 'InstallationQuarantined');
      await isState(WaveState.STOPPED, 1);
      expect((await wave())?.reason).toBe(
        'stopped by catalog: 2 of 2 installations whose stage has begun did not take the release (berlin, bonn); it stops at 2 installations',
      );
      expect(await members()).toMatchObject([
        {
          installation: 'berlin',
          stage: 1,
          standing: WaveStanding.ROLLED_BACK,
          reason: 'the health check of berlin failed',
        },
        { installation: 'bonn', stage: 1, standing: WaveStanding.QUARANTINED, group: 'canary', setAside: false },
        {
          installation: 'bremen',
          stage: 2,
          standing: WaveStanding.WAITING,
          reason: expect.stringContaining('stopped'),
        },
      ]);
      // Not even those whose stage had begun.
      for (const site of SITES) expect((await offered(site)).release).toBeUndefined();

      await waves().resumeWave({ name: 'waves/spring', reason: 'both had a full disk' });
      await isState(WaveState.RUNNING, 2);
      expect((await offered('bremen')).release?.version).toBe(VERSION);
      expect((await members()).map((i) => i.setAside)).toEqual([true, true, false]);
      await update('bremen', 'InstallationUpdated');
      await isState(WaveState.DONE, 2);
      expect((await offered('bremen')).installedVersion).toBe(VERSION);
      expect(await offered('berlin')).toMatchObject({ release: { version: VERSION }, wave: '', waveStage: 0 });
      expect(await audited('catalog')).toEqual([
        expect.stringContaining('StopWave: 2 of 2 installations'),
        'AdvanceWave: soak-begun',
        'AdvanceWave: stage-begun',
        'AdvanceWave: soak-begun',
        'AdvanceWave: finished',
      ]);
      expect(await audited('admin')).toEqual(['ResumeWave: both had a full disk']);
      expect((await wave())?.history.map((e) => [e.actor, e.text])).toEqual([
        ['admin', 'created; stage 1 of 2 (group canary) begins'],
        ['catalog', 'stopped'],
        ['admin', 'resumed; 2 failures set aside'],
        ['catalog', 'stage 1 of 2 (group canary) has the release and soaks'],
        ['catalog', 'stage 2 of 2 (100 %) begins'],
        ['catalog', 'stage 2 of 2 (100 %) has the release and soaks'],
        ['catalog', 'done: everybody may take it'],
      ]);
    });

    it('soaks by a time in the store, which a restart or another replica does not shorten or forget', async () => {
      await create({ soakTime: { seconds: 2n, nanos: 0 } });
      for (const site of ['berlin', 'bonn'] as const) await update(site, 'InstallationUpdated');
      await until(async () => (await wave())?.soakUntil !== undefined, 'the soak to begin');
      const soakUntil = (await wave())?.soakUntil?.getTime() ?? Infinity;
      expect(soakUntil).toBeLessThan(Infinity);
      const replica = pair.bus === 'nats' ? await start() : undefined;
      await stack.stop({ keep: true });
      stack = replica ?? (await start());
      await isState(WaveState.RUNNING, 2);
      const begun = (await wave())?.history.find((e) => e.text.startsWith('stage 2'));
      expect(begun?.time?.getTime()).toBeGreaterThanOrEqual(soakUntil);
      expect((await offered('bremen')).release?.version).toBe(VERSION);
    });

    it('counts a run that failed before anything was installed, and a later one in its place', async () => {
      await create();
      await update('berlin', 'PreflightFailed');
      await until(async () => (await standings())[0] === WaveStanding.FAILED, 'berlin to have failed');
      expect((await members())[0]).toMatchObject({ reason: 'a check is not green', setAside: false });
      await update('berlin', 'InstallationUpdated', 'again');
      await update('bonn', 'InstallationUpdated');
      await isState(WaveState.RUNNING, 2);
      expect((await standings()).slice(0, 2)).toEqual([WaveStanding.UPDATED, WaveStanding.UPDATED]);
    });

    it('lets one in before its turn when somebody who may says why', async () => {
      await create();
      const request = { name: 'waves/spring', installation: 'bremen', reason: 'needs the fix today' };
      await expect(waves('operator', 'bremen').admitInstallation(request)).rejects.toMatchObject({
        code: CODE.permissionDenied,
      });
      await expect(waves('viewer').admitInstallation(request)).rejects.toMatchObject({ code: CODE.permissionDenied });
      await expect(waves().admitInstallation({ ...request, reason: '' })).rejects.toMatchObject({
        code: CODE.invalidArgument,
      });
      expect((await offered('bremen')).release).toBeUndefined();
      await waves('operator').admitInstallation(request);
      expect((await offered('bremen', VERSION)).release?.version).toBe(VERSION);
      expect((await members())[2]).toMatchObject({
        admitted: true,
        standing: WaveStanding.OFFERED,
        reason: 'let in by operator: needs the fix today',
      });
      expect(await audited('operator')).toEqual(['AdmitInstallation: needs the fix today']);
    });

    it('ends when its release is withdrawn', async () => {
      await create();
      await catalog().withdrawRelease({ name: `products/encore/releases/${VERSION}`, reason: 'It loses orders.' });
      expect(await wave()).toMatchObject({
        state: WaveState.ABORTED,
        reason: 'aborted by catalog: the release was withdrawn: It loses orders.',
      });
    });

    it('is stopped and aborted by a person, and another one may follow', async () => {
      await create();
      await create();
      await expect(create({}, 'summer')).rejects.toMatchObject({ reason: 'WAVE_RUNNING' });
      await waves().stopWave({ name: 'waves/spring', reason: 'a customer called' });
      expect(await offered('berlin')).toMatchObject({
        release: undefined,
        reason: expect.stringContaining('a customer called'),
      });
      await waves().abortWave({ name: 'waves/spring', reason: 'other stages' });
      expect((await offered('berlin')).release).toBeUndefined();
      const all = { stages: [{ members: { $case: 'percent' as const, value: 100 }, size: 0 }], neededPercent: 1 };
      await create({ ...all, soakTime: { seconds: 0n, nanos: 0 } }, 'summer');
      expect(await offered('bremen')).toMatchObject({ release: { version: VERSION }, wave: 'waves/summer' });
      await update('bremen', 'InstallationUpdated');
      await until(async () => (await offered('berlin')).wave === '', 'the second wave to be done');
      // The one that was aborted does not hold it back again.
      expect(await offered('berlin')).toMatchObject({ release: { version: VERSION }, reason: '' });
      const { waves: both } = await waves().listWaves({ product: 'encore', pageSize: 0, pageToken: '' });
      expect(both.map((w) => w.name)).toEqual(['waves/summer', 'waves/spring']);
    });

    it('is refused with every wrong field, and leaves nothing behind', async () => {
      const wrong = create(
        { channel: '', version: 'new', stages: [], soakTime: { seconds: -1n, nanos: 0 } },
        'Spring!',
      );
      const error = (await wrong.catch((e: unknown) => e)) as { violations: { field: string }[] };
      expect(error.violations.map((v) => v.field).toSorted()).toEqual([
        ...['wave.channel', 'wave.soak_time', 'wave.stages', 'wave.version', 'wave_id'],
      ]);
      await expect(create({ version: '9.9.9' })).rejects.toMatchObject({ reason: 'RELEASE_NOT_FOUND' });
      const vip = [{ members: { $case: 'group' as const, value: 'vip' }, size: 0 }, ...planned().stages];
      await expect(create({ stages: vip })).rejects.toMatchObject({
        reason: 'WAVE_STAGE_EMPTY',
        message: expect.stringContaining('--group vip'),
      });
      expect((await waves().listWaves({ product: '', pageSize: 0, pageToken: '' })).waves).toEqual([]);
      expect((await offered('berlin')).release).toBeUndefined();
    });

    it('says the way to a release before a job for it is saved', async () => {
      for (const version of ['11.4.0', '12.0.0']) {
        await publishRelease(stack, version, '', { required: version === '12.0.0' ? ['11.4.0'] : [] });
      }
      const way = '11.0.0 → 11.4.0 → 12.0.0';
      expect(await offered('bremen')).toMatchObject({
        ...{ release: { version: '11.4.0' }, path: ['11.4.0', '12.0.0'] },
        reason: expect.stringContaining(way),
      });
      await expect(saveJob('bremen', 'far', '12.0.0')).rejects.toMatchObject({
        reason: 'SEVERAL_STEPS',
        message: expect.stringContaining(`${way}. Save a job for 11.4.0 first`),
      });
      const name = await saveJob('bremen', 'near', '11.4.0');
      const job = schedulerV1.Job.fromPartial({ name, version: '12.0.0' });
      await expect(
        scheduler().updateJob({ job, updateMask: ['version'], confirmedCautions: [] }),
      ).rejects.toMatchObject({ reason: 'SEVERAL_STEPS' });
      expect((await scheduler().getJob({ name })).job?.version).toBe('11.4.0');
    });
  });
}

suite('waves, embedded', {});
describeWith('nats', 'waves, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('waves', { bus: 'nats', store: 'mongodb' }));
});
