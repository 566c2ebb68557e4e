import type { schedulerV1 } from '@lastcall/contracts';
import { sessionV1 } from '@lastcall/contracts';
import { openChannel, type Channel } from '@lastcall/sdk';
import { createTempFolder, type Child, until } from '@lastcall/testkit';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createHosts, HOSTS, type Hosts, type HostsOptions, type WorldHost } from './hosts.js';
import {
  LASTCALL,
  startLastcall,
  startProgram,
  type LastcallProcesses,
  type Pair,
  type ServiceSettings,
} from './lastcall-processes.js';
import {
  addInstallation,
  createClientToken,
  installedVersion,
  PARENT,
  runOf,
  servicesOn,
  startUpdate,
  type Services,
} from './services.js';
import type { SimUser } from './sim-user.js';
import { troubleSwitch, writeTinyRelease, type TinyData, type TinyRelease, type Trouble } from './tiny-product.js';
import { createUsers } from './users.js';

/*
 * A whole place for a test: Lastcall, hosts with agents, users with clients, every one a real process or a real connection,
 * and the ways to look at what is really there.
 */

export { INSTALLATION } from './services.js';
export { until } from '@lastcall/testkit';
export type { Services } from './services.js';
export type { WorldHost } from './hosts.js';

export interface World {
  readonly dir: string;
  readonly lastcall: LastcallProcesses;
  readonly services: Services;
  readonly users: readonly SimUser[];
  readonly hosts: readonly WorldHost[];
  /** For clients of the test's own making. */
  readonly clientChannel: Channel;
  readonly clientTokenFile: string;
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
  /** Data folder of the host's agent. */
  dirOf(host: string): string;
  /** Makes a command of the product fail on the server until it is taken back. */
  failCommand(command: string, fails: boolean): Promise<void>;
  /** What happens to a command on a host, whatever its version, until it is taken back. */
  trouble(command: string, trouble: Trouble | 'none', host?: string): Promise<void>;
  /** Version that `current` on the host leads to. */
  versionOn(host: string): Promise<string>;
  data(): Promise<TinyData>;
  enter(entry: string): Promise<void>;
  gate(): Promise<sessionV1.Gate>;
  everybodyIn(timeoutMs?: number, who?: readonly SimUser[]): Promise<void>;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly pair: Pair;
  readonly firstVersion?: string;
  /** How the first version gets into the catalog. Default: it is published there. */
  firstRelease?(run: Run): Promise<void>;
  readonly users?: number;
  readonly hosts?: readonly WorldHost[];
  readonly reactionTimeMs?: number;
  readonly settings?: ServiceSettings;
  readonly prefix?: string;
  readonly nats?: string;
  readonly mongodb?: string;
  /** Before a host's agent joins: what its disk is. Answers what takes it away again. */
  prepareHost?(host: string, dir: string): Promise<() => Promise<void>>;
}

const IN_TIME_MS = 30_000;

/** What there is to be ended, in the reverse order of its beginning. */
type Endings = (() => unknown)[];

/** Resolves when everybody is logged in. When it cannot be made, nothing of it is left. */
export async function createWorld(options: WorldOptions): Promise<World> {
  const endings: Endings = [];
  const stop = async (): Promise<void> => {
    for (let end = endings.pop(); end; end = endings.pop()) await end();
  };
  try {
    const world = { ...(await build(options, endings)), stop };
    await world.everybodyIn();
    return world;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(options: WorldOptions, endings: Endings): Promise<Omit<World, 'stop'>> {
  const { firstVersion = '1.0.0', hosts: list = HOSTS, reactionTimeMs = 300 } = options;
  const folder = await createTempFolder('world');
  endings.push(() => folder.remove());
  const dir = folder.path;
  const lastcall = await startLastcall({ ...options, dir });
  endings.push(() => lastcall.stop());
  const services = servicesOn(await channelWith(lastcall, lastcall.operatorTokenFile, endings));
  const run = runnerOf(lastcall);
  const publish = publisherOf(dir, run);
  await (options.firstRelease?.(run) ?? publish({ version: firstVersion }));
  await addInstallation(services, reactionTimeMs);
  const clientTokenFile = join(dir, 'client.token');
  await writeFile(clientTokenFile, await createClientToken(services));
  const place = { dir, address: lastcall.grpcAddress, services, clientTokenFile, run };
  const hosts = createHosts({ ...place, prepareHost: async (host, at) => options.prepareHost?.(host, at) });
  endings.push(() => hosts.stopAll());
  for (const host of list) await hosts.add(host, firstVersion);
  await until(async () => (await installedVersion(services)) === firstVersion, 'the first version to be known');
  const dirOf = (host: string): string => hosts.dirOf(host);
  const clientChannel = await channelWith(lastcall, clientTokenFile, endings);
  const users = createUsers({ count: options.users ?? 3, hosts: list, channel: clientChannel, dirOf });
  endings.push(() => users.leave());
  return {
    ...{ dir, lastcall, services, hosts: list, users: users.all, clientChannel, clientTokenFile, publish },
    ...runsOf(services),
    ...agentsOf(hosts),
    ...applicationOn(dirOf),
    gate: async () => (await services.session.getGate({ name: `${PARENT}/gate` })).gate ?? sessionV1.Gate.create(),
    everybodyIn: (timeoutMs = IN_TIME_MS, who) => users.everybodyIn(timeoutMs, who),
  };
}

async function channelWith(
  { grpcAddress: address }: LastcallProcesses,
  tokenFile: string,
  endings: Endings,
): Promise<Channel> {
  const credential = (await readFile(tokenFile, 'utf8')).trim();
  const channel = openChannel({ address, credential: () => credential });
  endings.push(() => channel.close());
  return channel;
}

type Run = HostsOptions['run'];

/** Programs as an operator starts them. */
function runnerOf(lastcall: LastcallProcesses): Run {
  return async (file, args) => {
    const child = startProgram(file, args, {
      LASTCALL_ADDR: lastcall.grpcAddress,
      LASTCALL_CATALOG_URL: lastcall.catalogUrl,
      LASTCALL_TOKEN_FILE: lastcall.operatorTokenFile,
    });
    const { code } = await child.exited;
    if (code === 0) return;
    throw new Error(`${basename(file)} ${args.join(' ')} ended with ${code}:\n${child.lines.join('\n')}`);
  };
}

function publisherOf(dir: string, run: Run): World['publish'] {
  return async (release) =>
    run(LASTCALL, ['release', 'publish', await writeTinyRelease(join(dir, 'releases'), release)]);
}

function runsOf(services: Services): Pick<World, 'update' | 'ended'> {
  let jobs = 0;
  return {
    update: async (version, job = {}) => {
      const id = `job-${++jobs}`;
      await startUpdate(services, id, version, job);
      return id;
    },
    ended: (job, timeoutMs = 60_000) => runOf(services, job, timeoutMs),
  };
}

function agentsOf(
  hosts: Hosts,
): Pick<World, 'killAndRestartAgent' | 'stopAgent' | 'startAgent' | 'agentOf' | 'dirOf' | 'versionOn'> {
  return {
    killAndRestartAgent: (host) => hosts.killAndRestart(host),
    stopAgent: (host) => hosts.stop(host),
    startAgent: (host) => hosts.start(host),
    agentOf: (host) => hosts.agentOf(host),
    dirOf: (host) => hosts.dirOf(host),
    versionOn: (host) => hosts.versionOn(host),
  };
}

/** The application's own data, as it lies on the disk. */
function applicationOn(dirOf: (host: string) => string): Pick<World, 'failCommand' | 'trouble' | 'data' | 'enter'> {
  const state = join(dirOf('srv'), 'data', 'state.json');
  const read = async (): Promise<TinyData> => JSON.parse(await readFile(state, 'utf8')) as TinyData;
  const trouble: World['trouble'] = async (command, how, host = 'srv') => {
    const file = join(dirOf(host), 'data', troubleSwitch(command));
    await (how === 'none' ? rm(file, { force: true }) : writeFile(file, how));
  };
  return {
    trouble,
    failCommand: (command, fails) => trouble(command, fails ? 'fails' : 'none'),
    data: read,
    enter: async (entry) => {
      const now = await read();
      await writeFile(state, JSON.stringify({ ...now, entries: [...now.entries, entry] }));
    },
  };
}
