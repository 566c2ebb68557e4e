import type { ServiceDefinition, ServiceName } from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import { createClient, openChannel, type Channel, type UnaryClient } from '@lastcall/sdk';
import { dropMongoDatabase, dropNatsStream, findFreePorts, startChild, type Child } from '@lastcall/testkit';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Bench } from './benchmark.js';

/*
 * Lastcall as users run it: programs of their own, started as they are. Embedded is one process on SQLite, distributed is five on NATS
 * and MongoDB.
 */

export const ROOT = resolve(__dirname, '../../..');
export const LASTCALL = join(ROOT, 'services/cli/bin/lastcall.js');
export const SERVICES: readonly ServiceName[] = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];

/** Where a service keeps its documents: what `openStore` takes. */
export interface StorePlace {
  readonly url: string;
  readonly file: string;
  readonly service: ServiceName;
  readonly database: string;
}

export interface Lastcall {
  /** `host:port`. */
  readonly addressOf: (service: ServiceName) => string;
  /** Base address of blobs. */
  readonly catalogUrl: string;
  readonly pids: readonly number[];
  /** The session service's processes; embedded: the only one. */
  readonly replicas: readonly Replica[];
  /** Process that has the service; embedded: one for all. */
  readonly pidOf: (service: ServiceName) => number;
  /** Addresses of the metrics, where they were asked for. */
  readonly metrics: readonly string[];
  readonly operatorToken: string;
  /** Where the programs find it. */
  readonly operatorTokenFile: string;
  /** Typed client as the operator. Channels are closed at the end. */
  client<D extends ServiceDefinition>(service: ServiceName, definition: D): UnaryClient<D>;
  channel(service: ServiceName, credential: () => string): Channel;
  /** To be read when nothing runs any more: an embedded store belongs to its process. */
  readonly stores: readonly StorePlace[];
  /** Ends the processes. Safe twice. */
  stop(): Promise<void>;
}

export interface Replica {
  /** `host:port`. */
  readonly address: string;
  readonly pid: number;
}

export interface Backends {
  readonly nats: string;
  readonly mongodb: string;
}

export interface LastcallOptions {
  readonly name: string;
  /** Absent: embedded. */
  readonly backends?: Backends | undefined;
  readonly withMetrics?: boolean;
  /** Where `lastcall up` listens, or the first replica of the session service, `host:port`. Default 127.0.0.1 and any port. */
  readonly grpcAddress?: string;
  /** Words before each program, such as `taskset -c 0`. */
  readonly under?: readonly string[];
  /** Processes of the session service, distributed only. Default 1. */
  readonly sessionReplicas?: number;
  /** Settings of the session service: a program refuses those that are not its own. */
  readonly sessionEnv?: Readonly<Record<string, string>>;
}

/** What is measured is Lastcall, not a time that a site chooses. */
const NO_SETTLING = { LASTCALL_SETTLE_MS: '0' };

export const FLAGS = ['--disable-warning=ExperimentalWarning'];

/** Node with one of our programs; `under` are words before it, such as `taskset -c 0`. */
export function startNode(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  under: readonly string[] = [],
): Child {
  const [command = process.execPath, ...words] = [...under, process.execPath, ...FLAGS, ...args];
  return startChild(command, words, { LASTCALL_TELEMETRY: 'off', ...env });
}

export async function startLastcall(bench: Bench, options: LastcallOptions): Promise<Lastcall> {
  const dataDir = join(bench.dir, options.name);
  mkdirSync(dataDir, { recursive: true });
  await finished(startNode([LASTCALL, 'up', '--data', dataDir, '--prepare']), 'lastcall up --prepare');
  const layout = options.backends
    ? await distributed(bench, dataDir, options, options.backends)
    : await embedded(dataDir, options);
  const children = layout.programs.map(({ args, env }) => startNode(args, env, options.under));
  const channels: Channel[] = [];
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    for (const channel of channels) channel.close();
    await Promise.all(children.map((child) => child.stop()));
  };
  bench.onEnd(() => (stopped ??= stop()));
  await Promise.all(children.map((child) => child.until(/"ready"/, 60_000)));
  const operatorTokenFile = join(dataDir, 'operator.token');
  const operatorToken = readFileSync(operatorTokenFile, 'utf8').trim();
  const channel: Lastcall['channel'] = (service, credential) => {
    const opened = openChannel({ address: layout.addressOf(service), credential });
    channels.push(opened);
    return opened;
  };
  return {
    addressOf: layout.addressOf,
    catalogUrl: layout.catalogUrl,
    metrics: layout.metrics,
    stores: layout.stores,
    pids: children.map((child) => child.pid),
    replicas: layout.replicas.map(({ address, program }) => ({ address, pid: children[program]?.pid ?? 0 })),
    pidOf: (service) => (children[SERVICES.indexOf(service)] ?? children[0])?.pid ?? 0,
    operatorToken,
    operatorTokenFile,
    channel,
    client: (service, definition) =>
      createClient(
        definition,
        channel(service, () => operatorToken),
      ),
    stop: () => (stopped ??= stop()),
  };
}

export async function finished(child: Child, what: string): Promise<void> {
  const { code, signal } = await child.exited;
  if (code !== 0) throw new Error(`${what} ended with ${signal ?? code}:\n${child.lines.join('\n')}`);
}

interface Layout extends Pick<Lastcall, 'catalogUrl' | 'metrics' | 'stores' | 'addressOf'> {
  readonly programs: readonly { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> }[];
  /** The session service's, with their place among the programs. */
  readonly replicas: readonly { readonly address: string; readonly program: number }[];
}

async function embedded(dataDir: string, { grpcAddress, withMetrics, sessionEnv }: LastcallOptions): Promise<Layout> {
  const [grpc, http, metrics] = await findFreePorts(3);
  const address = grpcAddress ?? `127.0.0.1:${grpc}`;
  const own = withMetrics ? [`127.0.0.1:${metrics}`] : [];
  return {
    programs: [
      {
        args: [LASTCALL, 'up', '--data', dataDir, '--grpc', address, '--http', `127.0.0.1:${http}`],
        env: { ...NO_SETTLING, ...sessionEnv, LASTCALL_METRICS_ADDRESS: own[0] ?? '' },
      },
    ],
    replicas: [{ address: address.replace('0.0.0.0', '127.0.0.1'), program: 0 }],
    addressOf: () => address.replace('0.0.0.0', '127.0.0.1'),
    catalogUrl: `http://127.0.0.1:${http}`,
    metrics: own,
    stores: SERVICES.map((service) => ({ url: '', file: join(dataDir, `${service}.db`), service, database: '' })),
  };
}

async function distributed(
  bench: Bench,
  dataDir: string,
  { grpcAddress, withMetrics, sessionReplicas = 1, sessionEnv }: LastcallOptions,
  { nats, mongodb }: Backends,
): Promise<Layout> {
  const prefix = randomId('b').replaceAll('-', '_');
  // More replicas of the session service come after the five.
  const names = [...SERVICES, ...Array.from({ length: sessionReplicas - 1 }, () => 'session' as const)];
  const first = names.indexOf('session');
  const ports = await findFreePorts(names.length * 3);
  if (grpcAddress !== undefined) ports[first * 3] = Number(grpcAddress.split(':').at(-1));
  const of = (program: number, kind: number): string => `127.0.0.1:${ports[program * 3 + kind]}`;
  const at = (service: ServiceName, kind: number): string => of(SERVICES.indexOf(service), kind);
  const catalogUrl = `http://${at('catalog', 1)}`;
  const shared = {
    LASTCALL_BUS: nats,
    LASTCALL_STORE: mongodb,
    LASTCALL_PREFIX: prefix,
    LASTCALL_IDENTITY_DIR: join(dataDir, 'identity'),
    LASTCALL_CATALOG_URL: catalogUrl,
    ...Object.fromEntries(SERVICES.map((service) => [`LASTCALL_${service.toUpperCase()}_ADDRESS`, at(service, 0)])),
  };
  bench.onEnd(() => dropAll({ nats, mongodb }, prefix));
  return {
    programs: names.map((service, i) => ({
      args: [join(ROOT, 'services', service, 'dist/main.js')],
      env: {
        ...shared,
        ...(service === 'session' && sessionEnv),
        ...(service === 'installer' && NO_SETTLING),
        LASTCALL_DATA_DIR: join(dataDir, `${service}-${i}`),
        LASTCALL_GRPC_ADDRESS: i === first && grpcAddress !== undefined ? grpcAddress : of(i, 0),
        LASTCALL_HTTP_ADDRESS: of(i, 1),
        LASTCALL_METRICS_ADDRESS: withMetrics ? of(i, 2) : '',
      },
    })),
    replicas: names.flatMap((service, i) => (service === 'session' ? [{ address: of(i, 0), program: i }] : [])),
    addressOf: (service) => at(service, 0),
    catalogUrl,
    metrics: withMetrics ? names.map((_, i) => of(i, 2)) : [],
    stores: SERVICES.map((service) => ({ url: mongodb, file: '', service, database: `${prefix}_${service}` })),
  };
}

async function dropAll({ nats, mongodb }: Backends, prefix: string): Promise<void> {
  await dropNatsStream(nats, prefix);
  for (const service of SERVICES) await dropMongoDatabase(mongodb, `${prefix}_${service}`);
}
