import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, eventsV1, schedulerV1 } from '@lastcall/contracts';
import { schedulerModule } from '@lastcall/scheduler';
import { CODE } from '@lastcall/sdk';
import { createRecorder, describeWith, startStack, until, type Stack, type StackOptions } from '@lastcall/testkit';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { commandLineOn, type CommandLine } from './world/command-line.js';
import { addSite, localIn, publishRelease } from './world/site.js';

/*
 * Who is told outside what came of jobs: targets are managed on the command line, jobs and runs are real, their hosts are played, and a
 * real HTTP server is told.
 */

const { InstallationKind, JobType } = commonV1;
const DESK = 'desk';
const NAME = `installations/${DESK}`;
const HOUR_MS = 3_600_000;
const VERSION = '11.0.5';

interface Told {
  readonly type: string;
  readonly id: string;
  readonly data: Readonly<Record<string, string>>;
  readonly signed: (secret: string) => boolean;
}

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    let lastcall: CommandLine;
    let server: Server;
    let url: string;
    const told = createRecorder<Told>();
    const tells = (type: string, wanted: (t: Told) => boolean = () => true) =>
      told.until((t) => t.type === type && wanted(t), 15_000, () => `${type}; there was ${told.items.map((t) => t.type).join(', ')}`); // prettier-ignore

    beforeAll(async () => {
      server = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const body = Buffer.concat(chunks).toString('utf8');
          const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': found } = request.headers;
          const signed = (secret: string): boolean => {
            const hmac = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'));
            return found === `v1,${hmac.update(`${String(id)}.${String(at)}.${body}`).digest('base64')}`;
          };
          told.add({ ...(JSON.parse(body) as Pick<Told, 'type' | 'data'>), id: String(id), signed });
          response.writeHead(request.url === '/broken' ? 500 : 204).end();
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      stack = await startStack({ modules: [catalogModule, schedulerModule], ...pair });
      // The product comes with the first site.
      await addSite(stack);
      await addSite(stack, { id: DESK, kind: InstallationKind.SINGLE_USER });
      await publishRelease(stack, VERSION);
      lastcall = commandLineOn(stack);
    });
    afterAll(async () => {
      await stack.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });

    const here = ['-i', DESK] as const;
    const scheduler = () => stack.client(schedulerV1.SchedulerServiceService);

    async function save(jobId: string, more: Partial<schedulerV1.Job> = {}): Promise<void> {
      const start = { condition: { $case: 'time' as const, value: { localTime: localIn(2 * HOUR_MS) } } };
      const job = { title: jobId, type: JobType.SOFTWARE_UPDATE, version: VERSION, start, ...more };
      await scheduler().createJob({
        parent: NAME,
        jobId,
        job: schedulerV1.Job.fromPartial(job),
        confirmedCautions: ['collides-with-job'],
      });
    }
    const enable = (job: string) =>
      scheduler().enableJob({ name: `${NAME}/jobs/${job}`, etag: '', confirmedCautions: [] });
    async function start(job: string, more: Partial<schedulerV1.Job> = {}): Promise<commonV1.RunSpec> {
      await save(job, more);
      await scheduler().startJob({ name: `${NAME}/jobs/${job}`, confirmedCautions: [], requestId: '' });
      return (await stack.seen('RunStarted', (m) => m.run?.job === job)).message.run ?? commonV1.RunSpec.create();
    }

    it('adds a target, shows its secret once and never again, and tests it', async () => {
      const added = (await lastcall.json('notification', 'add', 'ops', '--webhook', `${url}/ops`, ...here)) as {
        secret: string;
      };
      expect(added.secret).toMatch(/^whsec_[\w+/]{43}=$/);
      const tested = await lastcall.run('notification', 'test', 'ops', ...here);
      expect(tested).toMatchObject({ exitCode: 0, out: 'ops has it\n' });
      expect((await tells('test')).signed(added.secret)).toBe(true);
      for (const args of [['list'], ['show', 'ops'], ['list', '-o', 'json'], ['show', 'ops', '-o', 'json']]) {
        const { exitCode, out } = await lastcall.run('notification', ...args, ...here);
        expect([exitCode, out.includes(`${url}/ops`), out.includes('whsec')]).toEqual([0, true, false]);
      }
      expect((await lastcall.run('notification', 'show', 'ops', ...here)).out).toMatch(/delivered +1 attempt/);
    });

    it('takes a secret from a file, says what fails, and refuses what is wrong', async () => {
      const [file, secret] = [join(stack.dataDir, 'secret'), `whsec_${Buffer.alloc(24, 5).toString('base64')}`];
      writeFileSync(file, `${secret}\n`);
      const add = (target: string, ...args: string[]) => lastcall.run('notification', 'add', target, ...args, ...here);
      const added = await add('broken', '--webhook', `${url}/broken`, '--secret-file', file, '--on', 'run-quarantined');
      expect(added).toMatchObject({ exitCode: 0 });
      expect(added.out).not.toContain('whsec');
      const failed = await lastcall.run('notification', 'test', 'broken', ...here);
      expect(failed).toMatchObject({ exitCode: 1, err: expect.stringContaining('the receiver answered 500; it is tried again at') }); // prettier-ignore
      expect((await tells('test', (t) => t.data['target'] === 'broken')).signed(secret)).toBe(true);
      expect((await add('broken', '--webhook', url)).err).toContain('there is a notification target broken already');
      expect((await add('mail', '--mail', 'ada@example.org')).err).toContain('LASTCALL_SMTP_URL');
      expect((await add('ftp', '--webhook', 'ftp://x')).err).toContain('target.webhook.url');
      expect((await add('both', '--webhook', url, '--mail', 'a@example.org')).exitCode).toBe(2);
      expect((await add('kind', '--webhook', url, '--on', 'everything')).err).toContain('run-rolled-back');
      expect((await lastcall.run('notification', 'add', 'x', '--webhook', url, '-i', 'nowhere')).exitCode).toBe(4);
      expect((await lastcall.run('notification', 'delete', 'broken', ...here)).exitCode).toBe(0);
      expect((await lastcall.run('notification', 'show', 'broken', ...here)).exitCode).toBe(4);
    });

    it('lets nobody else see or change targets', async () => {
      const refused = { code: CODE.permissionDenied };
      const page = { parent: NAME, pageSize: 0, pageToken: '' };
      const viewer = stack.client(schedulerV1.SchedulerServiceService, 'viewer');
      await expect(viewer.listNotificationTargets(page)).rejects.toMatchObject(refused);
      const elsewhere = stack.client(schedulerV1.SchedulerServiceService, 'operator', 'berlin');
      await expect(elsewhere.listNotificationTargets(page)).rejects.toMatchObject(refused);
    });

    it('tells how every run ended', async () => {
      const failure = { reason: 'HEALTH', message: 'The health check failed.', host: 'srv1' };
      const [good, back, stuck] = ['good', 'back', 'stuck'];
      const backup = await start(good, { type: JobType.DATA_BACKUP, version: '' });
      await stack.publish('BackupTaken', DESK, { run: backup, backup: undefined });
      const { data } = await tells('run-succeeded');
      expect(data).toMatchObject({ run: backup.run, job: good, product: 'encore', requested_by: 'admin' });
      const rolledBack = eventsV1.InstallationRolledBack.fromPartial({ run: await start(back), failure });
      await stack.publish('InstallationRolledBack', DESK, rolledBack);
      expect((await tells('run-rolled-back')).data).toMatchObject({ job: back, reason: 'HEALTH', host: 'srv1' });
      const quarantined = eventsV1.InstallationQuarantined.fromPartial({ run: await start(stuck), failure });
      await stack.publish('InstallationQuarantined', DESK, quarantined);
      expect((await tells('run-quarantined')).data['title']).toContain('NEEDS A PERSON');
      expect(told.items.filter(({ type }) => type === 'run-succeeded')).toHaveLength(1);
    });

    it('tells of due times that led to no run', async () => {
      const at = { condition: { $case: 'time' as const, value: { localTime: localIn(1_500) } } };
      await save('late', { start: at, runIfLateWithin: { seconds: 0n, nanos: 0 } });
      await enable('late');
      expect((await tells('firing-missed')).data).toMatchObject({ job: 'late', reason: expect.stringContaining('within 0 min') }); // prettier-ignore
      const active = await start('active');
      await save('second');
      const second = { name: `${NAME}/jobs/second`, confirmedCautions: [], requestId: '' };
      await expect(scheduler().startJob(second)).rejects.toMatchObject({ reason: 'NOT_STARTED' });
      expect((await tells('firing-skipped')).data).toMatchObject({ job: 'second', reason: expect.stringContaining('another run') }); // prettier-ignore
      await stack.publish('StagingFailed', DESK, eventsV1.StagingFailed.fromPartial({ run: active }));
      await tells('run-failed');
    });

    it('tells what would stop a planned run, and what to do', async () => {
      const found = { check: 'antivirus', host: 'srv1', found: 'not set', remedy: 'Add the folder' };
      const rehearsed = { installation: DESK, job: 'tonight', report: 'p-1', requestedBy: 'ada', blocking: [found] };
      const failed = eventsV1.RehearsalFailed.fromPartial(rehearsed);
      await stack.publish('RehearsalFailed', DESK, failed);
      const { data } = await tells('rehearsal-failed');
      expect(data).toMatchObject({ job: 'tonight', owner: 'ada', report: 'p-1' });
      expect(data['text']).toContain('antivirus on srv1: not set. Add the folder');
    });

    it('tells that a job was disabled because its release was withdrawn', async () => {
      await save('tonight');
      await enable('tonight');
      const release = { name: `products/encore/releases/${VERSION}`, reason: 'It loses bookings.' };
      await stack.client(catalogV1.CatalogServiceService).withdrawRelease(release);
      expect((await tells('job-disabled')).data).toMatchObject({ job: 'tonight', owner: 'admin' });
      const ids = told.items.map(({ id }) => id);
      await until(async () => (await lastcall.run('notification', 'show', 'ops', ...here)).out.includes('disabled'), 'the delivery'); // prettier-ignore
      expect(new Set(ids).size).toBe(ids.length);
    });
  });
}

suite('notifications, embedded', {});
describeWith('nats', 'notifications, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('notifications', { bus: 'nats', store: 'mongodb' }));
});
