import type { Bus } from '@lastcall/bus';
import type { ServiceName } from '@lastcall/contracts';
import { openStore, type Store } from '@lastcall/store';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthenticator, type AgentKeys } from './auth/authenticator.js';
import type { KeySource } from './auth/key-source.js';
import { serviceNameOf, type Certificates } from './certificates.js';
import { createRevocations, type Revocations } from './auth/revocations.js';
import { createDutyRunner } from './duties/duty-runner.js';
import { createStoreClock, type StoreClock } from './duties/store-clock.js';
import { systemTimers } from './duties/timers.js';
import { createArchiveReplay } from './events/archive-replay.js';
import { openDeadLetters } from './events/dead-letters.js';
import { createEventConsumer, type EventConsumer } from './events/event-consumer.js';
import { createOutboxRelay } from './events/outbox-relay.js';
import type { GuardedBinding } from './grpc/grpc-server.js';
import type { GuardedRoute } from './http/http-edge.js';
import type { Lifecycle } from './lifecycle.js';
import type { Logger } from './logging.js';
import { openAuditTrail, type AuditTrail } from './operations/audit-trail.js';
import type { OperationsOf } from './operations/operations-service.js';
import { createServiceClients } from './service-clients.js';
import type { AnyServiceModule, ServiceContext, ServiceParts } from './service.js';
import type { ProcessSettings } from './settings/index.js';
import { countWrites } from './telemetry/count-writes.js';
import { noTelemetry, type Telemetry } from './telemetry/telemetry.js';

/*
 * One service inside a process: its store, its context, its parts, and what the runtime does for it. Made in three steps, because
 * a service may call another one of the same process as soon as its events and duties run: open all, serve all, run all.
 */

export interface HostOptions {
  readonly settings: ProcessSettings;
  readonly bus: Bus;
  readonly keys: KeySource;
  readonly certificates: Certificates | undefined;
  readonly catalogUrl: string;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly lifecycle: Lifecycle;
  readonly random: () => number;
  ownAddress(): string;
}

export interface HostedModule {
  readonly name: ServiceName;
  readonly store: Store;
  readonly operations: OperationsOf;
  /** `others` answers keys of agents where this service knows none. */
  bindings(others: AgentKeys): readonly GuardedBinding[];
  routes(others: AgentKeys): readonly GuardedRoute[];
  readonly agentKeys: AgentKeys | undefined;
  /** Consumes events and runs duties from here on. */
  run(): Promise<void>;
}

interface Opened {
  readonly store: Store;
  readonly revocations: Revocations;
  readonly clock: StoreClock;
  readonly audit: AuditTrail;
  readonly parts: ServiceParts;
}

export async function hostModule(module: AnyServiceModule, options: HostOptions): Promise<HostedModule> {
  const { name } = module;
  const log = options.log.child({ service: name });
  const opened = await open(module, { ...options, log });
  const { store, revocations, audit, parts } = opened;
  const deadLetters = await openDeadLetters(name, store, options.telemetry);
  const consumer = createEventConsumer({
    service: name,
    bus: options.bus,
    handlers: parts.consumers,
    deadLetters,
    revoke: (token, expiresAt) => revocations.revoke(token, expiresAt),
    log,
    telemetry: options.telemetry,
  });
  const { agentKeys } = parts;
  const authenticator = (others: AgentKeys) =>
    createAuthenticator({
      keys: options.keys,
      isRevoked: (token) => revocations.isRevoked(token),
      agentKeys: agentKeys ?? others,
      serviceName: serviceNameOf(options.settings.common),
      // What has ended has ended, also where the clock of this machine is behind; and a clock that is ahead shuts nobody out.
      clock: opened.clock,
    });
  return {
    name,
    store,
    agentKeys,
    operations: { name, deadLetters, consumer, audit },
    bindings: (others) => parts.rpc.map((binding) => ({ binding, audit, authenticator: authenticator(others) })),
    routes: (others) => (parts.http ?? []).map((route) => ({ route, authenticator: authenticator(others) })),
    run: () => run(name, opened, consumer, { ...options, log }),
  };
}

async function open(module: AnyServiceModule, options: HostOptions): Promise<Opened> {
  const { name } = module;
  const { settings, log, lifecycle, bus, telemetry } = options;
  const { common } = settings;
  const opened = await openStore({
    url: common.store,
    file: join(common.dataDir, `${name}.db`),
    service: name,
    database: `${common.prefix}_${name}`,
    traceContext: () => telemetry.traceContext(),
  });
  const store = countWrites(opened, name, telemetry);
  await lifecycle.start({ name: `store of ${name}`, stop: () => store.close() });
  const clock = createStoreClock(store, systemTimers, log);
  await lifecycle.start(clock);
  const revocations = await createRevocations({ store, bus, service: name, log, timers: systemTimers });
  await lifecycle.start(revocations);
  const audit = await openAuditTrail(name, store);
  const parts = await module.create(await contextFor(module, { store, clock, revocations, audit }, options));
  const relayed = { service: name, store, bus, log, telemetry, timers: systemTimers };
  await lifecycle.start(createOutboxRelay(relayed));
  await lifecycle.start(await createArchiveReplay(relayed));
  return { store, revocations, clock, audit, parts };
}

async function contextFor(
  module: AnyServiceModule,
  { store, clock, revocations, audit }: Pick<Opened, 'store' | 'clock' | 'revocations' | 'audit'>,
  options: HostOptions,
): Promise<ServiceContext<object>> {
  const { settings, lifecycle, telemetry, random } = options;
  const { name } = module;
  const clients = createServiceClients({
    service: name,
    settings: settings.common,
    tls: options.certificates?.current,
    telemetry,
    random,
    ownAddress: () => options.ownAddress(),
  });
  await lifecycle.start({ name: `clients of ${name}`, stop: async () => clients.close() });
  const dataDir = join(settings.common.dataDir, name);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  return {
    settings: settings.byService[name] ?? {},
    store,
    clock,
    bus: options.bus,
    log: options.log,
    client: (definition) => clients.client(definition),
    dataDir,
    identityDir: settings.common.identityDir,
    catalogUrl: options.catalogUrl,
    tls: options.certificates?.current,
    random,
    isRevoked: (token) => revocations.isRevoked(token),
    audit: (call) => audit.record(call),
    traceContext: () => telemetry.traceContext(),
    isObserved: telemetry !== noTelemetry,
    measure: (histogram, seconds) => telemetry.measure(histogram, seconds, { service: name }),
    gauge: (gauge, value, attributes) => options.telemetry.set(gauge, value, { service: name, ...attributes }),
  };
}

async function run(name: ServiceName, opened: Opened, consumer: EventConsumer, options: HostOptions): Promise<void> {
  const { lifecycle, log, telemetry, random } = options;
  const { parts, clock } = opened;
  // Before its calls are cut, a service may say goodbye on its streams.
  await lifecycle.start({ name: `parts of ${name}`, stop: async () => parts.stop?.() });
  await lifecycle.start(consumer);
  const runner = createDutyRunner({
    service: name,
    duties: parts.duties,
    log,
    telemetry,
    timers: systemTimers,
    now: () => clock.now(),
    random,
  });
  await lifecycle.start(runner);
}
