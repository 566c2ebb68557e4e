import { catalogModule } from '@lastcall/catalog';
import { createProgram } from '@lastcall/cli';
import {
  catalogV1,
  commonV1,
  eventsV1,
  operationsV1,
  schedulerV1,
  sessionV1,
  type ServiceName,
} from '@lastcall/contracts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import { createClient, openChannel, openStream, type CallError, type Channel } from '@lastcall/sdk';
import {
  describeWith,
  dropMongoDatabase,
  findFreePorts,
  mongodbUrl,
  signerOf,
  startStack,
  until,
  type Stack,
} from '@lastcall/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { movedClockOf } from './world/moved-clock.js';
import { createReplica, type ServiceReplica } from './world/service-replica.js';

/*
 * A machine whose clock is wrong by an hour, beside right ones: a replica of the scheduler and one of the session service run on it. The
 * database's clock decides; no job begins early or twice, nobody is logged off, credentials count as they do elsewhere, and the doctor says which
 * clock it is.
 */

const SITES = ['berlin', 'bremen', 'bonn'];
const LEASE_MS = 2_000;
const WRONG = { ahead: HOUR_MS, behind: -HOUR_MS } as const;

describeWith('nats', 'a clock that is wrong, with NATS', () => {
  describeWith('mongodb', 'and MongoDB', () => {
    describe.each(['ahead', 'behind'] as const)('an hour %s', (which) => {
      let stack: Stack;
      let replicas: Readonly<Record<'scheduler' | 'session', readonly [ServiceReplica, ServiceReplica]>>;
      const channels: Channel[] = [];
      const channelTo = (address: string, credential: string): Channel => {
        const channel = openChannel({ address, credential: () => credential });
        channels.push(channel);
        return channel;
      };
      /** At the replica whose clock is wrong. */
      const atWrong = (service: 'scheduler' | 'session', credential = stack.token('admin')): Channel =>
        channelTo(replicas[service][1].address, credential);

      async function replica(service: ServiceName, clock: object): Promise<ServiceReplica> {
        const [grpc, http] = await findFreePorts(2);
        const env = {
          ...{
            LASTCALL_STORE: mongodbUrl() ?? '',
            LASTCALL_PREFIX: stack.prefix,
            LASTCALL_IDENTITY_DIR: stack.identityDir,
          },
          ...{ LASTCALL_CATALOG_ADDRESS: stack.grpcAddress, LASTCALL_HTTP_ADDRESS: `127.0.0.1:${http}` },
          LASTCALL_DATA_DIR: join(stack.dataDir, `${service}-${grpc}`),
          ...(service === 'session' && { LASTCALL_SESSION_LEASE_MS: String(LEASE_MS) }),
          ...clock,
        };
        const made = await createReplica(service, `127.0.0.1:${grpc}`, env);
        await made.start();
        return made;
      }
      const pair = async (service: ServiceName) =>
        [await replica(service, {}), await replica(service, movedClockOf(WRONG[which]))] as const;

      beforeAll(async () => {
        stack = await startStack({ modules: [catalogModule], bus: 'nats', store: 'mongodb' });
        replicas = { scheduler: await pair('scheduler'), session: await pair('session') };
        const catalog = stack.client(catalogV1.CatalogServiceService);
        await catalog.createProduct({
          productId: 'encore',
          product: catalogV1.Product.fromPartial({ title: 'Encore' }),
        });
        for (const installationId of SITES) {
          const installation = catalogV1.Installation.fromPartial({
            ...{ title: installationId, product: 'encore', channel: 'stable', timeZone: 'UTC' },
            kind: commonV1.InstallationKind.MULTI_USER,
          });
          await catalog.createInstallation({ installationId, installation });
          const host = {
            installation: installationId,
            host: 'srv',
            role: commonV1.HostRole.SERVER,
            installedVersion: '11.0.0',
          };
          const joined = eventsV1.HostJoined.fromPartial({
            ...host,
            publicKey: Buffer.alloc(32),
            platform: 'linux-x64',
          });
          await stack.publish('HostJoined', installationId, joined);
          await stack.seen('InstalledReleaseChanged', (m) => m.installation === installationId);
        }
      }, 180_000);
      afterAll(async () => {
        channels.forEach((channel) => channel.close());
        const all = Object.values(replicas).flat();
        await Promise.all(all.map(({ child }) => child.stop()));
        await Promise.all(all.map(({ nats }) => nats.remove()));
        await stack.stop();
        for (const service of ['scheduler', 'session'])
          await dropMongoDatabase(mongodbUrl() ?? '', `${stack.prefix}_${service}`);
      }, 60_000);

      async function plan(site: string, jobId: string, at: number): Promise<void> {
        const scheduler = createClient(schedulerV1.SchedulerServiceService, atWrong('scheduler'));
        const localTime = new Date(at).toISOString().slice(0, 19);
        const start = { condition: { $case: 'time' as const, value: { localTime } } };
        const job = schedulerV1.Job.fromPartial({ title: 'Backup', type: commonV1.JobType.DATA_BACKUP, start });
        const confirmedCautions = ['users-logged-in', 'inside-business-hours', 'collides-with-job', 'short-notice'];
        await scheduler.createJob({ parent: `installations/${site}`, jobId, job, confirmedCautions });
        await scheduler.enableJob({ name: `installations/${site}/jobs/${jobId}`, etag: '', confirmedCautions });
      }

      it('jobs begin at their time, each once, and those of the next half hour do not', async () => {
        const dueAt = Math.ceil(Date.now() / SECOND_MS) * SECOND_MS + 8 * SECOND_MS;
        for (const site of SITES) await plan(site, 'now', dueAt);
        await plan('berlin', 'later', dueAt + 30 * MINUTE_MS);
        for (const site of SITES) {
          const { message } = await stack.seen('RunStarted', (m) => m.run?.installation === site, 60_000);
          expect(Date.now()).toBeGreaterThanOrEqual(dueAt);
          expect(message.run?.startedAt?.getTime()).toBeGreaterThanOrEqual(dueAt);
          expect(message.run?.startedAt?.getTime()).toBeLessThan(Date.now() + SECOND_MS);
        }
        // Whoever had wanted to do it a second time has looked by now.
        await pause(3_000);
        const started = stack.envelopes.filter(({ type }) => type === 'RunStarted');
        expect(started.map(({ installation }) => installation).toSorted()).toEqual(SITES.toSorted());
      }, 120_000);

      it('nobody is logged off, and clients are told the right time', async () => {
        const streams = replicas.session.map(({ address }, i) => {
          const stream = openStream(
            sessionV1.SessionServiceService.attach,
            channelTo(address, stack.token('client', 'berlin')),
          );
          const hello = sessionV1.Hello.fromPartial({ installation: 'berlin', user: `user-${i}`, version: '11.0.0' });
          stream.write({ message: { $case: 'hello', value: hello } });
          const heard: sessionV1.AttachResponse[] = [];
          void (async () => {
            for await (const message of stream) heard.push(message);
          })().catch(() => undefined);
          return { stream, heard };
        });
        await until(
          () => streams.every(({ heard }) => heard.some(({ message }) => message?.$case === 'welcome')),
          'both to be in',
        );
        await pause(3 * LEASE_MS);
        for (const { heard } of streams) {
          expect(heard.map(({ message }) => message?.$case).filter((kind) => kind !== 'heartbeat')).toEqual([
            'welcome',
          ]);
          expect(Math.abs((heard[0]?.serverTime?.getTime() ?? 0) - Date.now())).toBeLessThan(MINUTE_MS);
        }
        for (const { address } of replicas.session) {
          const operator = createClient(sessionV1.SessionServiceService, channelTo(address, stack.token('admin')));
          expect(await operator.countSessions({ parent: 'installations/berlin' })).toEqual({ count: 2 });
        }
        for (const { stream } of streams) stream.cancel();
      }, 60_000);

      it('a credential is good until it ends, and not longer', async () => {
        const now = Math.floor(Date.now() / 1_000);
        const read = (claims: object) =>
          createClient(
            schedulerV1.SchedulerServiceService,
            atWrong('scheduler', signerOf(stack.identityDir)({ sub: 'ada', role: 'viewer', ...claims })),
          )
            .listJobs({ parent: 'installations/berlin', pageSize: 0, pageToken: '' })
            .then(
              () => 'good',
              (e: CallError) => e.reason,
            );
        expect(await read({ iat: now, exp: now + 600 })).toBe('good');
        expect(await read({ iat: now - 7_200, exp: now - 600 })).toBe('CREDENTIAL_EXPIRED');
      });

      it('the doctor says whose clock it is', async () => {
        const own = await createClient(operationsV1.OperationsServiceService, atWrong('session')).listServiceStates({
          ownProcess: true,
        });
        const [{ clockTime, storeTime } = {}] = own.serviceStates;
        expect(Math.round(((clockTime?.getTime() ?? 0) - (storeTime?.getTime() ?? 0)) / MINUTE_MS)).toBe(
          WRONG[which] / MINUTE_MS,
        );
        const tokenFile = join(stack.dataDir, 'doctor.token');
        writeFileSync(tokenFile, stack.token('operator'));
        let text = '';
        const out = new Writable({ write: (chunk: Buffer, _, done) => ((text += chunk.toString()), done()) });
        const env = { LASTCALL_ADDR: replicas.scheduler[1].address, LASTCALL_TOKEN_FILE: tokenFile };
        const io = {
          env,
          out,
          err: out,
          isTerminal: false,
          columns: () => 200,
          stopped: () => new Promise<void>(() => undefined),
        };
        expect(await createProgram(io).run(['doctor'])).not.toBe(0);
        expect(text).toMatch(new RegExp(`scheduler.* clock is .*${which}.* its store`));
        expect(text).toContain('NTP');
      }, 60_000);
    });
  });
});
