import type { schedulerV1 } from '@lastcall/contracts';
import { sessionV1 } from '@lastcall/contracts';
import { openChannel, type Channel } from '@lastcall/sdk';
import { createTempFolder, type Child, until } from '@lastcall/testkit';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createHosts, HOSTS, type Hosts, type HostsOptions, type WorldHost } from './hosts.js';
import {
  AGENT,
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
  INSTALLATION,
  installedVersion,
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

/** Lastcall as it is reached from outside, whoever runs it. */
export type ReachedLastcall = Pick<LastcallProcesses, 'grpcAddress' | 'catalogUrl' | 'operatorTokenFile'>;

export interface World extends Place {
  readonly lastcall: LastcallProcesses;
}

/** An installation with its hosts and users. */
export interface Place {
  readonly dir: string;
  /** `installations/{installation}`. */
  readonly parent: string;
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
  /** Tokens that the hosts have joined with. */
  joinTokens(): readonly string[];
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

export interface WorldOptions extends PlaceOptions {
  readonly pair: Pair;
  readonly settings?: ServiceSettings;
  readonly prefix?: string;
  readonly nats?: string;
  readonly mongodb?: string;
  /** Of `ProcessesOptions`. */
  readonly root?: string;
}

export interface PlaceOptions {
  /** Default: `testing`. */
  readonly installation?: string;
  readonly firstVersion?: string;
  /** How the first version gets into the catalog. Default: it is published there. */
  firstRelease?(run: Run): Promise<void>;
  readonly users?: number;
  readonly hosts?: readonly WorldHost[];
  readonly reactionTimeMs?: number;
  /** Program of the agents. Default: this checkout's. */
  readonly agent?: string;
  /** Before a host's agent joins: what its disk is. Answers what takes it away again. */
  prepareHost?(host: string, dir: string): Promise<() => Promise<void>>;
}

const IN_TIME_MS = 30_000;

/** What there is to be ended, in the reverse order of its beginning. */
type Endings = (() => unknown)[];

/** Resolves when everybody is logged in. When it cannot be made, nothing of it is left. */
export function createWorld(options: WorldOptions): Promise<World> {
  return madeWhole(async (endings) => {
    const dir = await temporaryFolder(endings);
    const lastcall = await startLastcall({ ...options, dir });
    endings.push(() => lastcall.stop());
    return { ...(await buildPlace(lastcall, dir, options, endings)), lastcall };
  });
}

/** The same on a Lastcall that somebody else runs. */
export function createPlace(lastcall: ReachedLastcall, options: PlaceOptions): Promise<Place> {
  return madeWhole(async (endings) => buildPlace(lastcall, await temporaryFolder(endings), options, endings));
}

async function madeWhole<P extends Omit<Place, 'stop'>>(
  build: (endings: Endings) => Promise<P>,
): Promise<P & Pick<Place, 'stop'>> {
  const endings: Endings = [];
  const stop = async (): Promise<void> => {
    for (let end = endings.pop(); end; end = endings.pop()) await end();
  };
  try {
    const place = { ...(await build(endings)), stop };
    await place.everybodyIn();
    return place;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function temporaryFolder(endings: Endings): Promise<string> {
  const folder = await createTempFolder('world');
  endings.push(() => folder.remove());
  return folder.path;
}

async function buildPlace(
  lastcall: ReachedLastcall,
  dir: string,
  options: PlaceOptions,
  endings: Endings,
): Promise<Omit<Place, 'stop'>> {
  const { installation = INSTALLATION, firstVersion = '1.0.0', hosts: list = HOSTS, reactionTimeMs = 300 } = options;
  const parent = `installations/${installation}`;
  const services = servicesOn(await channelWith(lastcall, lastcall.operatorTokenFile, endings));
  const run = runnerOf(lastcall);
  const publish = publisherOf(dir, run);
  await (options.firstRelease?.(run) ?? publish({ version: firstVersion }));
  await addInstallation(services, reactionTimeMs, installation);
  const clientTokenFile = join(dir, 'client.token');
  await writeFile(clientTokenFile, await createClientToken(services, installation));
  const { agent = AGENT } = options;
  const place = { dir, parent, address: lastcall.grpcAddress, services, clientTokenFile, agent, run };
  const hosts = createHosts({ ...place, prepareHost: async (host, at) => options.prepareHost?.(host, at) });
  endings.push(() => hosts.stopAll());
  for (const host of list) await hosts.add(host, firstVersion);
  await until(async () => (await installedVersion(services, parent)) === firstVersion, 'the first version to be known');
  const dirOf = (host: string): string => hosts.dirOf(host);
  const clientChannel = await channelWith(lastcall, clientTokenFile, endings);
  const users = createUsers({ installation, count: options.users ?? 3, hosts: list, channel: clientChannel, dirOf });
  endings.push(() => users.leave());
  return {
    ...{ dir, parent, services, hosts: list, users: users.all, clientChannel, clientTokenFile, publish },
    ...runsOf(services, parent),
    ...agentsOf(hosts),
    ...applicationOn(dirOf),
    gate: async () => (await services.session.getGate({ name: `${parent}/gate` })).gate ?? sessionV1.Gate.create(),
    everybodyIn: (timeoutMs = IN_TIME_MS, who) => users.everybodyIn(timeoutMs, who),
  };
}

async function channelWith(
  { grpcAddress: address }: ReachedLastcall,
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
function runnerOf(lastcall: ReachedLastcall): Run {
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

function publisherOf(dir: string, run: Run): Place['publish'] {
  return async (release) =>
    run(LASTCALL, ['release', 'publish', await writeTinyRelease(join(dir, 'releases'), release)]);
}

function runsOf(services: Services, parent: string): Pick<Place, 'update' | 'ended'> {
  let jobs = 0;
  return {
    update: async (version, job = {}) => {
      const id = `job-${++jobs}`;
      await startUpdate(services, id, version, job, parent);
      return id;
    },
    ended: (job, timeoutMs = 60_000) => runOf(services, job, timeoutMs, parent),
  };
}

function agentsOf(
  hosts: Hosts,
): Pick<Place, 'killAndRestartAgent' | 'stopAgent' | 'startAgent' | 'agentOf' | 'joinTokens' | 'dirOf' | 'versionOn'> {
  return {
    killAndRestartAgent: (host) => hosts.killAndRestart(host),
    stopAgent: (host) => hosts.stop(host),
    startAgent: (host) => hosts.start(host),
    agentOf: (host) => hosts.agentOf(host),
    joinTokens: () => hosts.joinTokens(),
    dirOf: (host) => hosts.dirOf(host),
    versionOn: (host) => hosts.versionOn(host),
  };
}

/** The application's own data, as it lies on the disk. */
function applicationOn(dirOf: (host: string) => string): Pick<Place, 'failCommand' | 'trouble' | 'data' | 'enter'> {
  const state = join(dirOf('srv'), 'data', 'state.json');
  const read = async (): Promise<TinyData> => JSON.parse(await readFile(state, 'utf8')) as TinyData;
  const trouble: Place['trouble'] = async (command, how, host = 'srv') => {
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
