import type { ServiceName } from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import {
  createRecorder,
  dropMongoDatabase,
  dropNatsStream,
  findFreePorts,
  mongodbUrl,
  natsUrl,
  startChild,
  startEdge,
  type Child,
} from '@lastcall/testkit';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/*
 * Lastcall as it really runs, killed as things really die: one process on SQLite, or five on NATS and MongoDB. Ports stay
 * the same over a restart, as they do in a real place.
 */

export type Pair = 'embedded' | 'distributed';

/** An event that a service said, read from its log while it was on its way. */
export interface Said {
  readonly type: string;
  readonly service: ServiceName;
}

export interface LastcallProcesses {
  readonly pair: Pair;
  /** What clients and agents know. */
  readonly grpcAddress: string;
  readonly catalogUrl: string;
  readonly operatorTokenFile: string;
  /** The next event of this type that is said from now on. */
  nextSaid(type: string, timeoutMs?: number): Promise<Said>;
  /** SIGKILL to the process of this service (embedded: to the only one), and a start again when it is gone. */
  killAndRestart(service: ServiceName): Promise<void>;
  /** Distributed: stops the service as an upgrade does, and starts it from this checkout. */
  replace(service: ServiceName, root: string): Promise<void>;
  /** Resident memory of all processes, bytes. */
  readonly pids: readonly number[];
  /** Everything that was logged, of processes that were killed too. */
  lines(): readonly string[];
  /** The end of it, for a failing test. */
  tail(): string;
  stop(): Promise<void>;
}

/** Variables of the environment by the service that they are for: a process refuses settings that are not its own. */
export type ServiceSettings = Partial<Readonly<Record<ServiceName, Readonly<Record<string, string>>>>>;

export interface ProcessesOptions {
  readonly pair: Pair;
  readonly dir: string;
  readonly settings?: ServiceSettings;
  /** Default: a random one. */
  readonly prefix?: string;
  /** Default: those of the tests. */
  readonly nats?: string;
  readonly mongodb?: string;
  /** Distributed: the built checkout that the services run from. Default: this one. */
  readonly root?: string;
}

export const ROOT = resolve(__dirname, '../../../..');
const SERVICES: readonly ServiceName[] = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];

export const LASTCALL = join(ROOT, 'services/cli/bin/lastcall.js');
export const AGENT = join(ROOT, 'services/agent/bin/lastcall-agent.js');

/** A program of ours on this Node. */
export function startProgram(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  return startChild(process.execPath, [...NODE_FLAGS, file, ...args], env);
}

interface Part {
  readonly services: readonly ServiceName[];
  /** From this checkout; default: the one that it was started from last. */
  start(root?: string): Child;
}

export async function startLastcall(options: ProcessesOptions): Promise<LastcallProcesses> {
  const dataDir = join(options.dir, 'lastcall');
  mkdirSync(dataDir, { recursive: true });
  const prepared = await startProgram(LASTCALL, ['up', '--data', dataDir, '--prepare']).exited;
  if (prepared.code !== 0) throw new Error(`lastcall up --prepare ended with ${prepared.code}`);
  const layout = options.pair === 'embedded' ? await embedded(dataDir, options) : await distributed(dataDir, options);
  const said = createRecorder<Said>();
  const running = new Map<Part, Child>();
  const all: Child[] = [];
  const start = async (part: Part, root?: string): Promise<void> => {
    const child = part.start(root);
    child.onLine((line) => {
      const event = readSaid(line, part);
      if (event) said.add(event);
    });
    running.set(part, child);
    all.push(child);
    await child.until(/"ready"/, 60_000);
  };
  const stop = async (): Promise<void> => {
    await Promise.all([...running.values()].map((child) => child.stop()));
    await layout.takeAway?.();
  };
  const runningPart = (service: ServiceName): readonly [Part, Child] => {
    const part = layout.parts.find((p) => p.services.includes(service));
    const child = part && running.get(part);
    if (!part || !child) throw new Error(`no process of ${service}`);
    return [part, child];
  };
  await Promise.all(layout.parts.map((part) => start(part))).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    pair: options.pair,
    grpcAddress: layout.grpcAddress,
    catalogUrl: layout.catalogUrl,
    operatorTokenFile: join(dataDir, 'operator.token'),
    nextSaid: (type, timeoutMs = 30_000) => {
      const from = said.items.length;
      return said.until(
        (event) => event.type === type && said.items.indexOf(event) >= from,
        timeoutMs,
        () => type,
      );
    },
    killAndRestart: async (service) => {
      const [part, child] = runningPart(service);
      child.kill('SIGKILL');
      await child.exited;
      await start(part);
    },
    replace: async (service, root) => {
      const [part, child] = runningPart(service);
      await child.stop();
      await start(part, root);
    },
    get pids() {
      return [...running.values()].map((child) => child.pid);
    },
    lines: () => all.flatMap((child) => child.lines),
    tail: () => all.map((child) => child.lines.slice(-30).join('\n')).join('\n--\n'),
    stop,
  };
}

function readSaid(line: string, part: Part): Said | undefined {
  if (!line.includes('"said"')) return undefined;
  const { msg, type, service } = JSON.parse(line) as { msg?: string; type?: string; service?: ServiceName };
  return msg === 'said' && type !== undefined ? { type, service: service ?? part.services[0] ?? 'catalog' } : undefined;
}

/** As on a cluster: each process has what is its own. The catalog issues credentials, and lists and revokes those that were issued. */
function giveIdentity(from: string, to: string, service: ServiceName): void {
  const own = (name: string): boolean => service === 'catalog' || ['keys.json', `${service}.token`].includes(name);
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from).filter(own)) copyFileSync(join(from, name), join(to, name));
}

interface Layout {
  readonly parts: readonly Part[];
  readonly grpcAddress: string;
  readonly catalogUrl: string;
  /** What the processes leave behind on servers that are not theirs. */
  takeAway?(): Promise<void>;
}

const DEBUG = { LASTCALL_LOG_LEVEL: 'debug' };
/** Sessions of a replica that was killed are waited for that long; a test has less patience than users. */
const SHORT_LEASE = { LASTCALL_SESSION_LEASE_MS: '4000' };
/** Long enough to be seen. */
const SHORT_SETTLING = { LASTCALL_SETTLE_MS: '200' };
/** Hosts that are switched off are waited for that long. */
const SHORT_FACTS = { LASTCALL_FACTS_TIMEOUT_MS: '15000' };

async function embedded(dataDir: string, { settings = {} }: ProcessesOptions): Promise<Layout> {
  const env = Object.assign({}, ...Object.values(settings)) as Record<string, string>;
  const [grpc = 0, http = 0] = await findFreePorts(2);
  const grpcAddress = `127.0.0.1:${grpc}`;
  const args = ['up', '--data', dataDir, '--grpc', grpcAddress, '--http', `127.0.0.1:${http}`];
  const up: Part = {
    services: SERVICES,
    start: () => startProgram(LASTCALL, args, { ...DEBUG, ...SHORT_LEASE, ...SHORT_SETTLING, ...SHORT_FACTS, ...env }),
  };
  return { parts: [up], grpcAddress, catalogUrl: `http://127.0.0.1:${http}` };
}

async function distributed(dataDir: string, options: ProcessesOptions): Promise<Layout> {
  const bus = options.nats ?? natsUrl();
  const store = options.mongodb ?? mongodbUrl();
  if (bus === undefined || store === undefined) throw new Error('needs NATS and MongoDB; guard it with describeWith');
  const ports = await findFreePorts(SERVICES.length * 2);
  const grpcOf = (i: number): string => `127.0.0.1:${ports[2 * i]}`;
  const httpOf = (i: number): string => `127.0.0.1:${ports[2 * i + 1]}`;
  const catalogUrl = `http://${httpOf(0)}`;
  const prefix = options.prefix ?? randomId('t').replaceAll('-', '_');
  for (const name of SERVICES) giveIdentity(join(dataDir, 'identity'), join(dataDir, name, 'identity'), name);
  const shared = {
    ...DEBUG,
    LASTCALL_BUS: bus,
    LASTCALL_STORE: store,
    LASTCALL_PREFIX: prefix,
    LASTCALL_CATALOG_URL: catalogUrl,
    ...Object.fromEntries(SERVICES.map((name, i) => [`LASTCALL_${name.toUpperCase()}_ADDRESS`, grpcOf(i)])),
  };
  const parts = SERVICES.map((name, i): Part => {
    const own = {
      LASTCALL_DATA_DIR: join(dataDir, name),
      LASTCALL_GRPC_ADDRESS: grpcOf(i),
      LASTCALL_HTTP_ADDRESS: httpOf(i),
      ...(name === 'installer' && SHORT_SETTLING),
      ...(name === 'preflight' && SHORT_FACTS),
      ...options.settings?.[name],
    };
    const lease = name === 'session' ? SHORT_LEASE : {};
    let from = options.root ?? ROOT;
    const start = (root = from): Child => {
      from = root;
      return startProgram(join(root, 'services', name, 'dist/main.js'), [], { ...shared, ...own, ...lease });
    };
    return { services: [name], start };
  });
  const routes = Object.fromEntries(SERVICES.map((name, i) => [`lastcall.${name}.`, grpcOf(i)]));
  const edge = await startEdge({ routes: { ...routes, 'lastcall.identity.': grpcOf(0) } });
  const takeAway = async (): Promise<void> => {
    await edge.stop();
    await dropNatsStream(bus, prefix);
    for (const name of SERVICES) await dropMongoDatabase(store, `${prefix}_${name}`);
  };
  return { parts, grpcAddress: edge.address, catalogUrl, takeAway };
}
