import { catalogModule } from '@lastcall/catalog';
import {
  catalogV1,
  commonV1,
  eventsV1,
  hostEdgeV1,
  installerV1,
  runSpecToWire,
  schedulerV1,
  sessionV1,
} from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { HOUR_MS, MINUTE_MS, randomId, type RunSpec } from '@lastcall/kernel';
import { preflightModule } from '@lastcall/preflight';
import type { AnyServiceModule } from '@lastcall/runtime';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import {
  createCertificates,
  createTempFolder,
  findFreePorts,
  startStack,
  until,
  type Stack,
  type TempFolder,
} from '@lastcall/testkit';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { moveClock } from './world/moved-clock.js';
import { describeWithProgram } from './world/own-server.js';
import { ALERTS_FILE, startPrometheus, type Prometheus } from './world/prometheus.js';
import { addSite, localIn, NAME, publishRelease, SITE } from './world/site.js';

/*
 * Each alert's condition is made true once: the real cause in real services, read by a real Prometheus that has our rules. Where a cause takes
 * hours, the clock of the services goes ahead; Prometheus keeps the machine's. How long a condition has to last (`for`) is not waited for.
 */

const ALL = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const made = new Set<string>();

describeWithProgram('prometheus', 'alerts', () => {
  let folder: TempFolder;
  let stack: Stack;
  let prometheus: Prometheus;
  beforeEach(async () => {
    folder = await createTempFolder('alerts');
  });
  afterEach(async () => {
    moveClock(0);
    await stack.stop();
    await prometheus.stop();
    await folder.remove();
  });

  async function start(modules: readonly AnyServiceModule[], settings: object = {}): Promise<void> {
    const [port] = await findFreePorts(1);
    const metricsAddress = `127.0.0.1:${port}`;
    const busTuning = { retryDelaysMs: [1, 1, 1, 1], faultPatienceMs: 1_000 };
    stack = await startStack({ modules, dataDir: folder.path, busTuning, settings: { metricsAddress, ...settings } });
    prometheus = await startPrometheus(metricsAddress);
  }

  /** True now, and was not before. */
  async function fires(alert: string, cause: () => Promise<unknown>): Promise<void> {
    expect(await prometheus.firing()).not.toContain(alert);
    await cause();
    await prometheus.fires(alert);
    made.add(alert);
  }

  it('of services: a standstill, events that cannot be taken in, an outbox, a database and a process that are gone', async () => {
    await start(ALL);
    await addSite(stack);
    await prometheus.readAgain();
    expect(await prometheus.firing()).toEqual([]);
    await fires('LastcallEventLoopSlow', async () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
    });
    await fires('LastcallDeadLetters', () => sayNonsense(1));
    await prometheus.readAgain();
    await fires('LastcallEventsFail', () => sayNonsense(200));
    await fires('LastcallOutboxStuck', async () => {
      await stack.bus.close();
      const catalog = stack.client(catalogV1.CatalogServiceService);
      const installation = catalogV1.Installation.fromPartial({ name: NAME, title: 'Renamed' });
      await catalog.updateInstallation({ installation, updateMask: ['title'] });
      moveClock(2 * MINUTE_MS);
    });
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    const list = () => scheduler.getJob({ name: `${NAME}/jobs/nothing` }).catch(() => undefined);
    for (let i = 0; i < 20; i++) await list();
    await prometheus.readAgain();
    await fires('LastcallCallsFail', async () => {
      await stack.store('scheduler').close();
      for (let i = 0; i < 20; i++) await list();
    });
    await prometheus.fires('LastcallDutiesFail', 120_000);
    made.add('LastcallDutiesFail');
    await fires('LastcallServiceDown', () => stack.stop());
  }, 300_000);

  /** Bytes that no service can read. */
  async function sayNonsense(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const source = `installer/hosts/${randomId('x')}`;
      const about = {
        id: `${source}@1`,
        type: 'HostJoined',
        source,
        sequence: 1,
        installation: SITE,
        time: Date.now(),
      };
      await stack.bus.publish({ ...about, data: Buffer.from([0x0a, 0xff]) });
    }
  }

  it('of an installation: no backup, a gate that stays shut, a wave that has stopped', async () => {
    await start(ALL);
    await addSite(stack);
    await publishRelease(stack, '11.1.0', '', { channel: 'preview' });
    await prometheus.readAgain();
    await fires('LastcallBackupOld', async () => {
      const installer = stack.client(installerV1.InstallerServiceService);
      const host = { hostId: 'srv2', role: commonV1.HostRole.SERVER, validMinutes: 5 };
      const { token } = await installer.createJoinToken({ parent: NAME, ...host });
      const about = { platform: 'linux-x64', agentVersion: '9.0.0', installedVersion: '11.0.0' };
      await stack.client(hostEdgeV1.HostEdgeServiceService).join({ token, publicKey: randomBytes(32), ...about });
      // It is counted every few minutes.
      moveClock(10 * MINUTE_MS);
      await stack.stop({ keep: true });
      await prometheus.stop();
      await start(ALL);
    });
    await fires('LastcallWaveStopped', async () => {
      const waves = stack.client(catalogV1.WaveServiceService);
      const stages = [{ members: { $case: 'percent' as const, value: 100 } }];
      const wave = catalogV1.Wave.fromPartial({ product: 'encore', version: '11.1.0', channel: 'stable', stages });
      await waves.createWave({ waveId: 'spring', wave });
      await waves.stopWave({ name: 'waves/spring', reason: 'the disk in Bremen was full' });
    });
    await fires('LastcallGateShut', async () => {
      const reactionTime = { seconds: 0n, nanos: 0 };
      await stack
        .client(sessionV1.SessionServiceService)
        .closeGate({ name: `${NAME}/gate`, reason: 'We move.', reactionTime });
      moveClock(3 * HOUR_MS);
    });
  }, 300_000);

  it('of a run that a host could not be brought back from', async () => {
    await start([catalogModule, sessionModule]);
    await addSite(stack);
    await until(
      () =>
        stack
          .client(sessionV1.SessionServiceService)
          .getGate({ name: `${NAME}/gate` })
          .then(
            () => true,
            () => false,
          ),
      'the gate',
    );
    await fires('LastcallGateInAlarm', async () => {
      const run = specOf();
      const about = { run: runSpecToWire(run) };
      const isOurs = (m: { readonly run?: commonV1.RunSpec | undefined }) => m.run?.run === run.run;
      await stack.publish('StagingCompleted', SITE, { ...about, absentHosts: [] });
      await stack.seen('SessionsDrained', isOurs);
      await stack.publish('BackupTaken', SITE, { ...about, backup: undefined });
      await stack.seen('DrainConfirmed', isOurs);
      const failure = commonV1.Failure.fromPartial({
        reason: 'HEALTH',
        message: 'It did not become healthy.',
        host: 'srv1',
      });
      const quarantined = eventsV1.InstallationQuarantined.fromPartial({
        ...about,
        failure,
        rollbackFailures: [failure],
      });
      await stack.publish('InstallationQuarantined', SITE, quarantined);
    });
  }, 120_000);

  it('of the scheduler: jobs that begin late, a run that does not end', async () => {
    // Nobody does what the run waits for.
    await start([catalogModule, schedulerModule]);
    await addSite(stack);
    await addSite(stack, { id: 'bremen' });
    await addSite(stack, { id: 'bonn' });
    await fires('LastcallFiringsLate', async () => {
      for (const [i, id] of ['berlin', 'bremen', 'bonn'].entries()) await planBackup(id, (i + 1) * 10 * MINUTE_MS);
      for (const [i, id] of ['berlin', 'bremen', 'bonn'].entries()) {
        // The machine was asleep when it was time.
        moveClock((i + 1) * 10 * MINUTE_MS + 3 * MINUTE_MS);
        await stack.seen('RunStarted', (m) => m.run?.installation === id, 60_000);
        await prometheus.readAgain();
      }
    });
    // They have two hours, and half an hour more before the run is given up.
    await fires('LastcallRunOverdue', async () => moveClock(2 * HOUR_MS + 25 * MINUTE_MS));
  }, 300_000);

  async function planBackup(id: string, inMs: number): Promise<void> {
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    const start = { condition: { $case: 'time' as const, value: { localTime: localIn(inMs) } } };
    const job = schedulerV1.Job.fromPartial({ title: 'Backup', type: commonV1.JobType.DATA_BACKUP, start });
    const confirmedCautions = ['users-logged-in', 'inside-business-hours', 'collides-with-job', 'short-notice'];
    const parent = `installations/${id}`;
    await scheduler.createJob({ parent, jobId: 'backup', job, confirmedCautions });
    await scheduler.enableJob({ name: `${parent}/jobs/backup`, etag: '', confirmedCautions });
  }

  it('of a service that has no process left where Prometheus looks', async () => {
    const [port] = await findFreePorts(1);
    const metricsAddress = `127.0.0.1:${port}`;
    stack = await startStack({ modules: [catalogModule], dataDir: folder.path, settings: { metricsAddress } });
    const jobs = ALL.map(({ name }) => `lastcall-${name}`);
    prometheus = await startPrometheus(metricsAddress, jobs);
    const saidOf = async (): Promise<string> => JSON.stringify(await prometheus.labelsOf('LastcallServiceDown'));
    expect(await saidOf()).toBe('[]');
    for (const job of jobs) {
      await Promise.all(jobs.map((one) => prometheus.setTargets(one, one === job ? [] : [metricsAddress])));
      await until(async () => (await saidOf()) === JSON.stringify([{ job }]), `the absence of ${job} alone`, 30_000);
    }
  }, 300_000);

  it('of what ends: a certificate, signed metadata; of a certificate that cannot be used', async () => {
    await start([catalogModule]);
    await prometheus.readAgain();
    expect(await prometheus.firing()).toEqual([]);
    await stack.stop();
    await prometheus.stop();
    await folder.remove();
    folder = await createTempFolder('alerts');
    const { ca, issue } = createCertificates();
    const { cert, key } = issue('services', { validUntil: Date.now() + 10 * 24 * HOUR_MS });
    const file = (name: string): string => join(folder.path, name);
    for (const [name, text] of Object.entries({ ca, cert, key })) await writeFile(file(name), text);
    const tls = { tlsCertFile: file('cert'), tlsKeyFile: file('key'), tlsCaFile: file('ca') };
    // Signed for a day only, as if it could not be signed again since.
    await start([catalogModule], { ...tls, timestampValidDays: 1 });
    await prometheus.fires('LastcallCertificateEnds');
    await prometheus.fires('LastcallSignaturesEnd');
    made.add('LastcallCertificateEnds').add('LastcallSignaturesEnd');
    await fires('LastcallCertificateUnused', () => writeFile(file('cert'), cert.slice(0, 100)));
    await writeFile(file('cert'), cert);
    await until(
      async () => !(await prometheus.firing()).includes('LastcallCertificateUnused'),
      'it to be used',
      30_000,
    );
  }, 120_000);

  it('that is all of them', () => {
    const names = [...readFileSync(ALERTS_FILE, 'utf8').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    expect([...made].toSorted()).toEqual(names.toSorted());
  });
});

function specOf(): RunSpec {
  const now = Date.now();
  return {
    ...{ run: randomId('r'), installation: SITE, job: 'update', type: 'software-update', kind: 'multi-user' },
    ...{ product: 'encore', fromVersion: '11.0.0', toVersion: '11.1.0', reactionTimeMs: 0, message: '' },
    hosts: [{ host: 'srv1', role: 'server', mayFollowLater: false }],
    ...{ backupMode: 'take', backupMaxAgeMs: 48 * HOUR_MS, fence: 1, nominalAt: now, startedAt: now },
    ...{ deadlineAt: now + HOUR_MS, requestedBy: 'otto', timeZone: 'Europe/Berlin', holdsAllowed: false, whatsNew: '' },
  };
}
