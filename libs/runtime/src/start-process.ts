import { openBus, type Bus } from '@lastcall/bus';
import { operationsV1, type ServiceName } from '@lastcall/contracts';
import { systemClock } from '@lastcall/kernel';
import type { Store } from '@lastcall/store';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentKeys } from './auth/authenticator.js';
import { createKeySource } from './auth/key-source.js';
import { openCertificates, type Certificates } from './certificates.js';
import { createDutyRunner, type DutyRunnerOptions } from './duties/duty-runner.js';
import { systemTimers } from './duties/timers.js';
import { createCallLimiter } from './grpc/call-limiter.js';
import { createGrpcServer, type GuardedBinding } from './grpc/grpc-server.js';
import { createHealthServer } from './grpc/health-server.js';
import { bindHealth, createHealth, type HealthCheck } from './health.js';
import { hostModule, type HostedModule } from './host-module.js';
import { createHttpEdge } from './http/http-edge.js';
import { IDENTITY_FILES } from './identity/ensure-identity.js';
import { createLifecycle, type Lifecycle, type LifecyclePart } from './lifecycle.js';
import { createLogger, type Logger } from './logging.js';
import { bindOperations } from './operations/operations-service.js';
import type { Peers } from './operations/peers.js';
import { createServiceStates } from './operations/service-states.js';
import { reachable } from './reachable.js';
import { createServiceClients } from './service-clients.js';
import type { AnyServiceModule, Duty, RpcBinding } from './service.js';
import type { CommonSettings, ProcessSettings } from './settings/index.js';
import { loadTelemetry } from './telemetry/load-telemetry.js';
import type { GaugeName, Telemetry } from './telemetry/telemetry.js';

/*
 * A process with one service or with all of them. Reads as the order of things: listen, open, serve, run, ready; and the
 * reverse when it stops. Keys and credentials must be there already (`ensureIdentity`).
 */

export interface ProcessOptions {
  readonly modules: readonly AnyServiceModule[];
  readonly settings: ProcessSettings;
  /** Default: JSON lines on stderr. */
  readonly log?: Logger;
  /** A bus that is open already and stays open; default: the one that the settings name. */
  readonly bus?: Bus;
  readonly random?: () => number;
  /** What the program does beside its services. */
  readonly duty?: (context: ProgramContext) => ProgramDuty;
}

export interface ProgramContext {
  readonly log: Logger;
  /** Sets a gauge of the telemetry; costs nothing where telemetry is off. */
  readonly gauge: (name: GaugeName, value: number) => void;
}

export interface ProgramDuty extends Duty {
  /** What the first service of the process says of it in its state. */
  state(): Partial<operationsV1.ServiceState>;
}

export interface RunningProcess {
  /** `host:port` as others on this machine reach it. */
  readonly grpcAddress: string;
  /** `http://host:port`. */
  readonly httpUrl: string;
  /** `host:port`; empty without the setting. */
  readonly healthAddress: string;
  /** The process's bus and stores: embedded ones cannot be reached in any other way. */
  readonly bus: Bus;
  readonly stores: ReadonlyMap<ServiceName, Store>;
  /** Safe twice. Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

/** Resolves when everything is ready; throws what went wrong when everything that had started has stopped again. */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const { common } = options.settings;
  const log = options.log ?? createLogger(common.logLevel);
  const lifecycle = createLifecycle(log, { startTimeoutMs: START_TIMEOUT_MS, stopTimeoutMs: common.stopTimeoutMs });
  try {
    return await startAll(options, log, lifecycle);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

async function startAll(options: ProcessOptions, log: Logger, lifecycle: Lifecycle): Promise<RunningProcess> {
  const { common } = options.settings;
  const telemetry = await startTelemetry(options, lifecycle);
  const hosted: HostedModule[] = [];
  const checks: HealthCheck[] = [];
  const health = createHealth(() => checks);
  const served = new Set<string>();
  const healthBinding = bindHealth(health, served, systemTimers);
  const healthAddress = await startHealthServer(common, healthBinding, lifecycle);
  const services = options.modules.map(({ name }) => name);
  const certificates = openCertificates({ settings: common, services, log, telemetry });
  if (certificates) await lifecycle.start(certificates);
  const shown = certificates?.isServed ? certificates : undefined;
  const keys = await createKeySource(join(common.identityDir, IDENTITY_FILES.keys), systemClock);
  await mkdir(common.dataDir, { recursive: true, mode: 0o700 });

  const http = createHttpEdge({ settings: common, certificates: shown, health, log, telemetry });
  let httpUrl = '';
  await lifecycle.start({
    name: 'HTTP',
    start: async () => void (httpUrl = await http.start()),
    stop: () => http.stop(),
  });
  httpUrl = reachable(httpUrl);

  const bus = options.bus ?? (await startBus(common, log, lifecycle));
  checks.push({ name: 'bus', isGood: () => bus.isConnected() });
  let grpcAddress = '';
  for (const module of options.modules) {
    const one = await hostModule(module, {
      settings: options.settings,
      bus,
      keys,
      certificates,
      catalogUrl: common.catalogUrl || httpUrl,
      log,
      telemetry,
      lifecycle,
      random: options.random ?? Math.random,
      ownAddress: () => grpcAddress,
    });
    hosted.push(one);
    checks.push({ name: `store of ${one.name}`, isGood: () => one.store.isConnected() });
  }

  const limiter = createCallLimiter(common);
  const grpc = createGrpcServer({ settings: common, certificates: shown, log, telemetry, limiter });
  const duty = options.duty?.({ log, gauge: (name, value) => telemetry.set(name, value, {}) });
  const peers = await openPeers(hosted, { certificates, telemetry, options, lifecycle });
  const states = createServiceStates({
    services: hosted,
    bus,
    certificates,
    peers,
    ...(duty && { ofProgram: () => duty.state() }),
  });
  const operations = bindOperations(
    hosted.map((one) => one.operations),
    states,
    peers,
  );
  const bindings = allBindings(hosted, [operations, healthBinding]);
  for (const { binding } of bindings) served.add(serviceOf(binding));
  await lifecycle.start({
    name: 'gRPC',
    start: async () => void (grpcAddress = reachable(await grpc.start(bindings))),
    stop: () => grpc.stop(),
  });
  http.serve(hosted.flatMap((one) => one.routes(keysOf(hosted))));
  await lifecycle.start({ name: 'HTTP routes', stop: () => http.stop() });
  for (const one of hosted) await one.run();
  if (duty) await lifecycle.start(runnerOf(duty, { log, telemetry, random: options.random ?? Math.random }));
  await lifecycle.start({
    name: 'health',
    start: async () => health.setRunning(true),
    stop: async () => health.setRunning(false),
  });
  log.info({ grpcAddress, httpUrl, healthAddress, services: hosted.map((one) => one.name) }, 'ready');
  const stores = new Map(hosted.map((one) => [one.name, one.store]));
  return { grpcAddress, httpUrl, healthAddress, bus, stores, stop: () => lifecycle.stop() };
}

interface PeersFrom {
  readonly certificates: Certificates | undefined;
  readonly telemetry: Telemetry;
  readonly options: ProcessOptions;
  readonly lifecycle: Lifecycle;
}

/** Asks other processes with the credential of the first service of this one. */
async function openPeers(hosted: readonly HostedModule[], from: PeersFrom): Promise<Peers> {
  const { certificates, telemetry, options, lifecycle } = from;
  const clients = createServiceClients({
    service: hosted[0]?.name ?? 'catalog',
    settings: options.settings.common,
    tls: certificates?.current,
    telemetry,
    random: options.random ?? Math.random,
    ownAddress: () => '',
  });
  await lifecycle.start({ name: 'clients of operations', stop: async () => clients.close() });
  return (service) => clients.clientOf(service, operationsV1.OperationsServiceService);
}

type Running = Pick<DutyRunnerOptions, 'log' | 'telemetry' | 'random'>;

function runnerOf(duty: ProgramDuty, running: Running): LifecyclePart {
  return createDutyRunner({
    service: 'program',
    duties: [duty],
    timers: systemTimers,
    now: () => systemTimers.now(),
    ...running,
  });
}

async function startTelemetry(options: ProcessOptions, lifecycle: Lifecycle): Promise<Telemetry> {
  const [only, ...more] = options.modules;
  const name = only && more.length === 0 ? `lastcall-${only.name}` : 'lastcall';
  const telemetry = await loadTelemetry(options.settings.common, name);
  await lifecycle.start({ name: 'telemetry', stop: () => telemetry.stop() });
  return telemetry;
}

async function startHealthServer(common: CommonSettings, binding: RpcBinding, lifecycle: Lifecycle): Promise<string> {
  if (common.healthAddress === '') return '';
  const server = createHealthServer(common.healthAddress, binding);
  let address = '';
  await lifecycle.start({
    name: 'health port',
    start: async () => void (address = reachable(await server.start())),
    stop: () => server.stop(),
  });
  return address;
}

async function startBus(common: CommonSettings, log: Logger, lifecycle: Lifecycle): Promise<Bus> {
  const bus = await openBus({
    url: common.bus,
    file: join(common.dataDir, 'bus.db'),
    prefix: common.prefix,
    replicas: common.busReplicas,
    log,
  });
  await lifecycle.start({ name: 'bus', stop: () => bus.close() });
  return bus;
}

/** Those of the services, operations for all of them, and health. What belongs to all is guarded as the first one is. */
/** What is no single service's is guarded as the first one's. */
function allBindings(hosted: readonly HostedModule[], common: readonly RpcBinding[]): readonly GuardedBinding[] {
  const others = keysOf(hosted);
  const own = hosted.flatMap((one) => one.bindings(others));
  const first = own[0];
  return first ? [...own, ...common.map((binding) => ({ ...first, binding }))] : [];
}

/** Full name of the gRPC service. */
function serviceOf({ definition }: RpcBinding): string {
  return Object.values(definition)[0]?.path.split('/')[1] ?? '';
}

/** Asks the services of this process one after the other; for those that know no hosts. */
function keysOf(hosted: readonly HostedModule[]): AgentKeys {
  return async (installation, host) => {
    for (const { agentKeys } of hosted) {
      const keys = (await agentKeys?.(installation, host)) ?? [];
      if (keys.length > 0) return keys;
    }
    return [];
  };
}
