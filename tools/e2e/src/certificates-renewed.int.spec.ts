import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, operationsV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { attachSession, createClient, openDefaultChannel, type AttachedSession, type Channel } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { createRecorder, createTempFolder, startStack, until, type Stack, type TempFolder } from '@lastcall/testkit';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agrees, createRotatingSecret, type RotatingSecret } from './world/rotating-secret.js';

/*
 * Everything demands client certificates, a run is in progress, users are inside, and certificates and authority are replaced, twice. Nobody is lost, no call
 * fails, and whoever is of the first authority is a stranger in the end.
 */

const SITE = 'berlin';
const NAME = `installations/${SITE}`;
const USERS = 20;
const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const SERVICES = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];

interface User {
  readonly session: AttachedSession;
  readonly heard: readonly string[];
  hears(what: string): Promise<string>;
}

describe('certificates that are replaced while a run is in progress', () => {
  let folder: TempFolder;
  let secret: RotatingSecret;
  let stack: Stack;
  let channel: Channel;
  const users: User[] = [];
  const failures: unknown[] = [];
  const over = new AbortController();
  let calls = 0;

  beforeAll(async () => {
    folder = await createTempFolder('secret');
    secret = await createRotatingSecret(folder.path, SERVICES);
    stack = await startStack({
      modules: MODULES,
      settings: { ...secret.settings, tlsClientCerts: 'required', gateLeaseMs: 2_000 },
    });
    await writeFile(join(folder.path, 'admin.token'), stack.token('admin'));
    await writeFile(join(folder.path, 'client.token'), stack.token('client', SITE));
    channel = openDefaultChannel(envOf('admin'));
  });
  afterAll(async () => {
    over.abort();
    await Promise.all(users.map(({ session }) => session.goodbye()));
    channel.close();
    await stack.stop();
    await folder.remove();
  });

  const envOf = (who: 'admin' | 'client') => ({
    ...secret.env,
    LASTCALL_ADDR: stack.grpcAddress,
    LASTCALL_TOKEN_FILE: join(folder.path, `${who}.token`),
    LASTCALL_INSTALLATION: SITE,
  });
  const scheduler = () => createClient(schedulerV1.SchedulerServiceService, channel);
  const sessionsOn = (on: Channel) => createClient(sessionV1.SessionServiceService, on);

  async function addPlace(): Promise<void> {
    const catalog = createClient(catalogV1.CatalogServiceService, channel);
    await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
    const about = { title: SITE, product: 'encore', kind: commonV1.InstallationKind.MULTI_USER, channel: 'stable' };
    const installation = catalogV1.Installation.fromPartial({ ...about, timeZone: 'Europe/Berlin' });
    await catalog.createInstallation({ installationId: SITE, installation });
    const isKnown = async () =>
      Boolean(
        await sessionsOn(channel)
          .getGate({ name: `${NAME}/gate` })
          .catch(() => undefined),
      );
    await until(isKnown, 'the gate');
  }

  async function enter(user: string): Promise<void> {
    const recorder = createRecorder<string>();
    const session = attachSession({
      ...{ user, version: '1.0.0', env: envOf('client') },
      onAttached: () => recorder.add('attached'),
      onNotice: ({ kind }) => recorder.add(kind),
      onLogoff: (reason) => recorder.add(reason),
      onReopened: () => recorder.add('reopened'),
      onError: (error) => failures.push(error),
    });
    const hears = (what: string) =>
      recorder.until(
        (item) => item === what,
        40_000,
        () => `${what} for ${user}; there was ${recorder.items.join()}`,
      );
    users.push({ session, heard: recorder.items, hears });
    await hears('attached');
  }

  /** Calls on the channel that stays, and on one of its own each time; services ask each other for some of them. */
  async function keepCalling(): Promise<void> {
    while (!over.signal.aborted) {
      const own = openDefaultChannel(envOf('admin'));
      const asked = [channel, own].flatMap((on) => [
        sessionsOn(on).countSessions({ parent: NAME }),
        createClient(schedulerV1.SchedulerServiceService, on).adviseJob({ parent: NAME, job: maintenance() }),
      ]);
      for (const one of await Promise.allSettled(asked)) {
        calls += 1;
        if (one.status === 'rejected') failures.push(one.reason);
      }
      own.close();
    }
  }

  const maintenance = () =>
    schedulerV1.Job.fromPartial({
      ...{ title: 'Disks', type: commonV1.JobType.MAINTENANCE_WINDOW, closedFor: { seconds: 1n } },
      ...{ reactionTime: { seconds: 24n }, start: { condition: { $case: 'immediate', value: {} } } },
    });

  async function startRun(): Promise<void> {
    const confirmedCautions = ['users-logged-in', 'inside-business-hours', 'collides-with-job'];
    await scheduler().createJob({ parent: NAME, jobId: 'disks', job: maintenance(), confirmedCautions });
    await scheduler().enableJob({ name: `${NAME}/jobs/disks`, etag: '', confirmedCautions });
    await stack.seen('NoticeSent');
  }

  async function replaceAll(): Promise<void> {
    const addresses = [stack.grpcAddress, new URL(stack.httpUrl).host];
    for await (const isInUse of secret.steps()) {
      const everywhere = async () => (await Promise.all(addresses.map(isInUse))).every(Boolean);
      await until(everywhere, 'the files to be in use', 10_000);
    }
  }

  it('lose no session, no call and no run', async () => {
    const first = secret.authority();
    await addPlace();
    for (let i = 0; i < USERS; i++) await enter(`user-${i}`);
    await startRun();
    await Promise.all(users.map(({ hears }) => hears('logoff')));
    const calling = keepCalling();
    await replaceAll();
    await replaceAll();
    expect(users.flatMap(({ heard }) => heard.filter((what) => !['attached', 'logoff'].includes(what)))).toEqual([]);
    expect((await sessionsOn(channel).countSessions({ parent: NAME })).count).toBe(USERS);

    // The connections of before are still good for the end of the run.
    await Promise.all(users.map(({ hears }) => hears('reopened')));
    over.abort();
    await calling;
    expect(failures).toEqual([]);
    expect(calls).toBeGreaterThan(20);
    for (const { heard } of users) expect(heard.slice(0, 3)).toEqual(['attached', 'logoff', 'deadline']);
    const run = async () =>
      (await scheduler().listRuns({ parent: NAME, pageSize: 1, pageToken: '', job: 'disks' })).runs[0];
    await until(async () => (await run())?.phase === 'ended', 'the end of the run');
    expect(await run()).toMatchObject({ outcome: commonV1.RunOutcome.SUCCEEDED, alarm: false });

    expect(await agrees(stack.grpcAddress, first, secret.authority().ca)).toBe(false);
    expect(await agrees(stack.grpcAddress, secret.authority(), first.ca)).toBe(false);
    const operations = createClient(operationsV1.OperationsServiceService, channel);
    const { serviceStates } = await operations.listServiceStates({ ownProcess: true });
    expect(serviceStates.map(({ certificateProblem }) => certificateProblem)).toEqual(SERVICES.map(() => ''));
  });
});
