import { catalogModule } from '@lastcall/catalog';
import {
  catalogV1,
  commonV1,
  identityV1,
  installerV1,
  preflightV1,
  schedulerV1,
  sessionV1,
  type ServiceDefinition,
} from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { isRejected } from '@lastcall/kernel';
import { schedulerModule } from '@lastcall/scheduler';
import { CODE, createClient, openStream, toCallError, type Channel } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { createTempFolder, describeWith, startStack, type Stack, type StackOptions, until } from '@lastcall/testkit';
import { startUp } from '@lastcall/up';
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { addInstallations } from './edge-walk/two-installations.js';

/*
 * Credentials from their making to their end: what the first start leaves on the disk, and how soon a revoked one is good for
 * nothing, on every service and on streams that were open.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const PARENT = 'installations/one';
const PAGE = { pageSize: 0, pageToken: '' };
/** Within seconds, also where nothing but looking finds it. */
const SOON_MS = 6_000;

/** A read of each service. */
const READS: Readonly<Record<string, (channel: Channel) => Promise<unknown>>> = {
  catalog: (c) => createClient(catalogV1.CatalogServiceService, c).getInstallation({ name: PARENT }),
  scheduler: (c) => createClient(schedulerV1.SchedulerServiceService, c).listJobs({ parent: PARENT, ...PAGE }),
  preflight: (c) => createClient(preflightV1.PreflightServiceService, c).listReports({ parent: PARENT, ...PAGE }),
  session: (c) => createClient(sessionV1.SessionServiceService, c).getGate({ name: `${PARENT}/gate` }),
  installer: (c) => createClient(installerV1.InstallerServiceService, c).listHosts({ parent: PARENT, ...PAGE }),
};

function suite(name: string, pair: Pick<StackOptions, 'bus' | 'store'>): void {
  describe(name, () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack({ modules: MODULES, ...pair });
      await addInstallations(stack);
    });
    afterAll(() => stack.stop());

    const admin = <D extends ServiceDefinition>(definition: D) => stack.client(definition);
    const tokens = () => admin(identityV1.TokenServiceService);
    async function issue(role: identityV1.Role): Promise<{ channel: Channel; name: string }> {
      const request = { subject: 'kiosk', role, installation: 'one', validDays: 1 };
      const { credential, token } = await tokens().createToken(request);
      return { channel: stack.channelWith(credential), name: token?.name ?? '' };
    }
    const codeOf = (call: Promise<unknown>): Promise<number> =>
      call.then(
        () => CODE.ok,
        (error: unknown) => toCallError(error).code,
      );

    it('are listed with whom they are for, those of the first start too', async () => {
      const { name } = await issue(identityV1.Role.VIEWER);
      const { tokens: list } = await tokens().listTokens(PAGE);
      const mine = { name, subject: 'kiosk', role: identityV1.Role.VIEWER, installation: 'one', revokeTime: undefined };
      expect(list).toEqual(expect.arrayContaining([expect.objectContaining(mine)]));
      const services = ['catalog', 'scheduler', 'preflight', 'session', 'installer'].map((s) => `service:${s}`);
      expect(list.map((t) => t.subject)).toEqual(expect.arrayContaining(['operator', ...services]));
      expect(JSON.stringify(list)).not.toContain('eyJ');
    });

    it('end within seconds on each service when they are revoked, and no other does', async () => {
      const { channel, name } = await issue(identityV1.Role.VIEWER);
      const other = await issue(identityV1.Role.VIEWER);
      for (const read of Object.values(READS)) expect(await codeOf(read(channel))).toBe(CODE.ok);
      await tokens().revokeToken({ name });
      for (const [service, read] of Object.entries(READS)) {
        const ended = async (): Promise<boolean> => (await codeOf(read(channel))) === CODE.unauthenticated;
        await until(ended, `${service} to refuse it`, SOON_MS);
        expect([service, await codeOf(read(other.channel))]).toEqual([service, CODE.ok]);
      }
      const { tokens: list } = await tokens().listTokens(PAGE);
      expect(list.find((t) => t.name === name)?.revokeTime).toBeDefined();
    });

    it('end the session that was attached with them, with the reason', async () => {
      const { channel, name } = await issue(identityV1.Role.CLIENT);
      const stream = openStream(sessionV1.SessionServiceService.attach, channel, { timeoutMs: 20_000 });
      const hello = sessionV1.Hello.fromPartial({ installation: 'one', user: 'ann', version: '1.0.0' });
      stream.write({ message: { $case: 'hello', value: hello } });
      const heard: (string | undefined)[] = [];
      let reason: sessionV1.EndReason | undefined;
      for await (const { message } of stream) {
        heard.push(message?.$case);
        if (message?.$case === 'welcome') await tokens().revokeToken({ name });
        if (message?.$case === 'ended') ({ reason } = message.value);
      }
      expect([heard, reason]).toEqual([['welcome', 'ended'], sessionV1.EndReason.REVOKED]);
      const sessions = admin(sessionV1.SessionServiceService);
      await until(async () => (await sessions.countSessions({ parent: PARENT })).count === 0, 'nobody to be inside');
    });

    it('end what was being watched with them', async () => {
      const { channel, name } = await issue(identityV1.Role.VIEWER);
      const gate = admin(sessionV1.SessionServiceService);
      await gate.closeGate({ name: `${PARENT}/gate`, reason: 'test', reactionTime: { seconds: 0n, nanos: 0 } });
      const signal = AbortSignal.timeout(20_000);
      const waiting = createClient(sessionV1.SessionServiceService, channel).waitForReopening(
        { name: PARENT, host: '', language: '' },
        { signal },
      );
      const running = createClient(schedulerV1.SchedulerServiceService, channel).watchRun(
        { name: await startedRun() },
        { signal },
      );
      const ends = [waiting, running].map((stream) => codeOf(drain(stream)));
      await tokens().revokeToken({ name });
      expect(await Promise.all(ends)).toEqual([CODE.unauthenticated, CODE.unauthenticated]);
      await gate.openGate({ name: `${PARENT}/gate`, reason: 'test' });
    });

    /** One that waits for the facts of its host, whose agent is not there. */
    async function startedRun(): Promise<string> {
      const scheduler = admin(schedulerV1.SchedulerServiceService);
      const job = schedulerV1.Job.fromPartial({
        title: 'Backup',
        type: commonV1.JobType.DATA_BACKUP,
        start: { condition: { $case: 'immediate', value: {} } },
      });
      await scheduler.createJob({ parent: PARENT, jobId: 'backup', job, confirmedCautions: [] });
      const started = { name: `${PARENT}/jobs/backup`, confirmedCautions: [], requestId: '' };
      return (await scheduler.startJob(started)).run;
    }
  });
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream); // Only its end matters.
}

suite('tokens, embedded', {});
describeWith('nats', 'tokens, NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => suite('tokens', { bus: 'nats', store: 'mongodb' }));
});

describe('the first start', () => {
  it('leaves nothing that another user of the machine may read', async () => {
    const folder = await createTempFolder('first-start');
    // As wide open as a careless administrator makes it.
    chmodSync(folder.path, 0o777);
    const dataDir = join(folder.path, 'data');
    const mask = process.umask(0);
    const up = await startUp({ dataDir, grpcAddress: '127.0.0.1:0', httpAddress: '127.0.0.1:0', env: QUIET });
    process.umask(mask);
    if (isRejected(up)) throw new Error(up.message);
    const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).map((name) => join(dataDir, name));
    const secret = files.filter((file) => /\.(token|pem)$|\bkey/.test(file) && statSync(file).isFile());
    await up.stop();
    expect(secret.map((file) => file.slice(dataDir.length + 1))).toEqual(
      expect.arrayContaining([
        'operator.token',
        join('identity', 'signing-key.pem'),
        join('identity', 'session.token'),
      ]),
    );
    for (const file of secret) expect([file, modeOf(file)]).toEqual([file, '600']);
    expect(modeOf(dataDir)).toBe('700');
    expect(modeOf(join(dataDir, 'identity'))).toBe('700');
    await folder.remove();
  });
});

const QUIET = { LASTCALL_LOG_LEVEL: 'silent' };
const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8);
