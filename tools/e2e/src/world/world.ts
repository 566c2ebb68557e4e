import { catalogV1, commonV1, identityV1, installerV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { createClient, openChannel, type Channel, type UnaryClient } from '@lastcall/sdk';
import { createTempFolder, type Child } from '@lastcall/testkit';
import { mkdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  AGENT,
  LASTCALL,
  ROOT,
  startLastcall,
  startProgram,
  type LastcallProcesses,
  type Pair,
} from './lastcall-processes.js';
import { createSimUser, type SimUser } from './sim-user.js';
import { failureSwitch, writeTinyRelease, type TinyData, type TinyRelease } from './tiny-product.js';

/*
 * A whole place for a test: Lastcall, hosts with agents, users with clients, every one a real process or a real connection,
 * and the ways to look at what is really there.
 */

export interface WorldHost {
  readonly id: string;
  readonly role: 'server' | 'terminal-server' | 'workstation';
}

export const INSTALLATION = 'testing';
const HOSTS: readonly WorldHost[] = [
  { id: 'srv', role: 'server' },
  { id: 'ts', role: 'terminal-server' },
  { id: 'desk', role: 'workstation' },
];
const ROLES = {
  server: commonV1.HostRole.SERVER,
  'terminal-server': commonV1.HostRole.TERMINAL_SERVER,
  workstation: commonV1.HostRole.WORKSTATION,
} as const;

export interface Services {
  readonly catalog: UnaryClient<typeof catalogV1.CatalogServiceService>;
  readonly scheduler: UnaryClient<typeof schedulerV1.SchedulerServiceService>;
  readonly session: UnaryClient<typeof sessionV1.SessionServiceService>;
  readonly installer: UnaryClient<typeof installerV1.InstallerServiceService>;
  readonly tokens: UnaryClient<typeof identityV1.TokenServiceService>;
}

export interface World {
  readonly dir: string;
  readonly lastcall: LastcallProcesses;
  readonly services: Services;
  readonly users: readonly SimUser[];
  readonly hosts: readonly WorldHost[];
  publish(release: TinyRelease): Promise<void>;
  /** Saves and enables an immediate job for the version; answers its name. */
  update(version: string, job?: Partial<schedulerV1.Job>): Promise<string>;
  /** The run of the job, when it has ended. */
  ended(job: string, timeoutMs?: number): Promise<schedulerV1.Run>;
  /** SIGKILL to the host's agent, and a start again. */
  killAndRestartAgent(host: string): Promise<void>;
  stopAgent(host: string): Promise<void>;
  startAgent(host: string): Promise<void>;
  agentOf(host: string): Child;
  /** Makes a command of the product fail on the server until it is taken back. */
  failCommand(command: string, fails: boolean): Promise<void>;
  /** Version that `current` on the host leads to. */
  versionOn(host: string): Promise<string>;
  data(): Promise<TinyData>;
  enter(entry: string): Promise<void>;
  gate(): Promise<sessionV1.Gate>;
  everybodyIn(timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly pair: Pair;
  readonly firstVersion?: string;
  readonly users?: number;
  readonly hosts?: readonly WorldHost[];
  readonly reactionTimeMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly nats?: string;
  readonly mongodb?: string;
}

export async function createWorld(options: WorldOptions): Promise<World> {
  const { firstVersion = '1.0.0', hosts = HOSTS, reactionTimeMs = 300 } = options;
  const folder = await createTempFolder('world');
  const dir = folder.path;
  const lastcall = await startLastcall({ ...options, dir });
  const credential = (await readFile(lastcall.operatorTokenFile, 'utf8')).trim();
  const channel = openChannel({ address: lastcall.grpcAddress, credential: () => credential });
  const services = servicesOn(channel);
  const clientTokenFile = join(dir, 'client.token');
  const agents = new Map<string, Child>();
  const watchers = new Set<() => void>();
  const users: SimUser[] = [];

  let jobs = 0;

  const hostDir = (host: string): string => join(dir, 'hosts', host);
  const dataDir = join(hostDir('srv'), 'data');
  const startAgent = async (host: string): Promise<void> => {
    const agent = startProgram(AGENT, ['run', '--data', hostDir(host)]);
    agents.set(host, agent);
    await agent.until(/connected/, 30_000);
  };
  const run = async (file: string, args: readonly string[]): Promise<void> => {
    const child = startProgram(file, args, {
      LASTCALL_ADDR: lastcall.grpcAddress,
      LASTCALL_CATALOG_URL: lastcall.catalogUrl,
      LASTCALL_TOKEN_FILE: lastcall.operatorTokenFile,
    });
    const { code } = await child.exited;
    if (code !== 0)
      throw new Error(`${basename(file)} ${args.join(' ')} ended with ${code}:\n${child.lines.join('\n')}`);
  };
  const publish = async (release: TinyRelease): Promise<void> => {
    const release_ = await writeTinyRelease(join(dir, 'releases'), release);
    await run(LASTCALL, ['release', 'publish', release_]);
  };

  await publish({ version: firstVersion });
  await addInstallation(services, reactionTimeMs);
  await writeFile(clientTokenFile, await clientToken(services));
  for (const host of hosts) {
    const joined = await services.installer.createJoinToken({
      parent: `installations/${INSTALLATION}`,
      hostId: host.id,
      role: ROLES[host.role],
      validMinutes: 10,
    });
    await mkdir(hostDir(host.id), { recursive: true });
    await run(AGENT, [
      'join',
      '--data',
      hostDir(host.id),
      '--addr',
      lastcall.grpcAddress,
      '--token',
      joined.token,
      '--env',
      `TINY_SDK=${join(ROOT, 'libs/sdk/dist/index.js')}`,
      '--env',
      `TINY_TOKEN_FILE=${clientTokenFile}`,
    ]);
    await run(AGENT, ['install', '--data', hostDir(host.id), '--version', firstVersion]);
    await startAgent(host.id);
  }
  await until(
    async () =>
      (await services.catalog.getInstallation({ name: `installations/${INSTALLATION}` })).installation
        ?.installedVersion === firstVersion,
    'the installation to have its first version',
  );

  const clientCredential = await readFile(clientTokenFile, 'utf8');
  const userChannel = openChannel({ address: lastcall.grpcAddress, credential: () => clientCredential });
  const desks = hosts.filter((h) => h.role !== 'server');
  for (let i = 0; i < (options.users ?? 3); i++) {
    const host = desks[i % desks.length]?.id ?? '';
    users.push(
      createSimUser({
        name: `user-${i}`,
        host,
        installation: INSTALLATION,
        channel: userChannel,
        version: () => basename(readlinkSync(join(hostDir(host), 'current'))),
        onChange: () => watchers.forEach((watcher) => watcher()),
      }),
    );
  }

  const world: World = {
    dir,
    lastcall,
    services,
    users,
    hosts,
    publish,
    update: async (version, job = {}) => {
      const id = `job-${++jobs}`;
      const cautions = ['users-logged-in', 'inside-business-hours'];
      await services.scheduler.createJob({
        parent: `installations/${INSTALLATION}`,
        jobId: id,
        job: schedulerV1.Job.fromPartial({
          title: id,
          type: commonV1.JobType.SOFTWARE_UPDATE,
          version,
          start: { condition: { $case: 'immediate', value: {} } },
          maxRunTime: { seconds: 120n, nanos: 0 },
          ...job,
        }),
        confirmedCautions: cautions,
      });
      await services.scheduler.enableJob({
        name: `installations/${INSTALLATION}/jobs/${id}`,
        etag: '',
        confirmedCautions: cautions,
      });
      return id;
    },
    ended: (job, timeoutMs = 60_000) => runOf(services, job, timeoutMs),
    killAndRestartAgent: async (host) => {
      const agent = agents.get(host);
      agent?.kill('SIGKILL');
      await agent?.exited;
      await startAgent(host);
    },
    stopAgent: async (host) => {
      await agents.get(host)?.stop();
    },
    startAgent,
    agentOf: (host) => {
      const agent = agents.get(host);
      if (!agent) throw new Error(`no agent on ${host}`);
      return agent;
    },
    failCommand: async (command, fails) => {
      const file = join(dataDir, failureSwitch(command));
      await (fails ? writeFile(file, '') : rm(file, { force: true }));
    },
    versionOn: async (host) => basename(await readlink(join(hostDir(host), 'current'))),
    data: async () => JSON.parse(await readFile(join(dataDir, 'state.json'), 'utf8')) as TinyData,
    enter: async (entry) => {
      const now = JSON.parse(readFileSync(join(dataDir, 'state.json'), 'utf8')) as TinyData;
      await writeFile(join(dataDir, 'state.json'), JSON.stringify({ ...now, entries: [...now.entries, entry] }));
    },
    gate: async () =>
      (await services.session.getGate({ name: `installations/${INSTALLATION}/gate` })).gate ?? sessionV1.Gate.create(),
    everybodyIn: (timeoutMs = 30_000) => everybodyIn(users, watchers, timeoutMs),
    stop: async () => {
      await Promise.all(users.map((user) => user.leave()));
      await Promise.all([...agents.values()].map((agent) => agent.stop()));
      userChannel.close();
      channel.close();
      await lastcall.stop();
      await folder.remove();
    },
  };
  await world.everybodyIn();
  return world;
}

function servicesOn(channel: Channel): Services {
  return {
    catalog: createClient(catalogV1.CatalogServiceService, channel),
    scheduler: createClient(schedulerV1.SchedulerServiceService, channel),
    session: createClient(sessionV1.SessionServiceService, channel),
    installer: createClient(installerV1.InstallerServiceService, channel),
    tokens: createClient(identityV1.TokenServiceService, channel),
  };
}

async function addInstallation({ catalog }: Services, reactionTimeMs: number): Promise<void> {
  const installation = catalogV1.Installation.fromPartial({
    title: 'Testing',
    product: 'tiny',
    kind: commonV1.InstallationKind.MULTI_USER,
    channel: 'stable',
    timeZone: 'UTC',
    reactionTime: { seconds: BigInt(Math.floor(reactionTimeMs / 1000)), nanos: (reactionTimeMs % 1000) * 1e6 },
  });
  await catalog.createInstallation({ installationId: INSTALLATION, installation });
}

async function clientToken({ tokens }: Services): Promise<string> {
  const request = { subject: 'tiny-clients', role: identityV1.Role.CLIENT, installation: INSTALLATION, validDays: 1 };
  return (await tokens.createToken(request)).credential;
}

/** Asks until the answer is yes; a service that is being killed answers later. */
export async function until(holds: () => Promise<boolean>, what: string, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const yes = await holds().catch(() => false);
    if (yes) return;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function runOf({ scheduler }: Services, job: string, timeoutMs: number): Promise<schedulerV1.Run> {
  let found: schedulerV1.Run | undefined;
  await until(
    async () => {
      const parent = `installations/${INSTALLATION}`;
      const { runs } = await scheduler.listRuns({ parent, pageSize: 1, pageToken: '', job });
      found = runs[0] && (await scheduler.getRun({ name: runs[0].name })).run;
      return found?.finishTime !== undefined;
    },
    `the end of ${job}`,
    timeoutMs,
  );
  if (!found) throw new Error('the run is gone');
  return found;
}

function everybodyIn(users: readonly SimUser[], watchers: Set<() => void>, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (!users.every((user) => user.isIn())) return;
      clearTimeout(timer);
      watchers.delete(look);
      resolve();
    };
    const timer = setTimeout(() => {
      watchers.delete(look);
      const out = users
        .filter((user) => !user.isIn())
        .map((user) => `${user.name}: ${JSON.stringify(user.log.at(-1))}`);
      reject(new Error(`not everybody was in within ${timeoutMs} ms: ${out.join('; ')}`));
    }, timeoutMs);
    watchers.add(look);
    look();
  });
}
