import { openBus, type Bus, type BusTuning } from '@lastcall/bus';
import type { RoleName, ServiceDefinition, ServiceName } from '@lastcall/contracts';
import { orThrow, randomId } from '@lastcall/kernel';
import {
  createLogger,
  ensureIdentity,
  readSettings,
  startProcess,
  type AnyServiceModule,
  type LogLevel,
  type RunningProcess,
} from '@lastcall/runtime';
import { createClient, openChannel, type Channel, type UnaryClient } from '@lastcall/sdk';
import type { Store } from '@lastcall/store';
import { join } from 'node:path';
import { dropNatsStream, mongodbUrl, natsUrl } from './backends.js';
import { dropMongoDatabase } from './drop-database.js';
import { tapEvents, type EventTap } from './event-tap.js';
import { signerOf } from './sign-token.js';
import { createTempFolder } from './temp-folder.js';

/*
 * Services under test in this process: real bus, real stores, real ports, keys and folders of their own, everything gone at the end.
 */

export interface StackOptions {
  readonly modules: readonly AnyServiceModule[];
  /** Default embedded. */
  readonly bus?: 'embedded' | 'nats';
  /** Default sqlite. */
  readonly store?: 'sqlite' | 'mongodb';
  /** Settings by their camelCase names, common ones and those of the modules. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Default: a temporary one that is removed at the end. A given one stays, so that a test can start twice on it. */
  readonly dataDir?: string;
  /** Delays of the bus, for tests of what happens when all deliveries failed. */
  readonly busTuning?: Partial<BusTuning>;
  /** Default: a random one. Must be given for a second start on the same servers. */
  readonly prefix?: string;
}

export interface Stack extends Omit<EventTap, 'stop'> {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  /** Empty without the setting `healthAddress`. */
  readonly healthAddress: string;
  readonly dataDir: string;
  readonly identityDir: string;
  readonly prefix: string;
  readonly bus: Bus;
  store(service: ServiceName): Store;
  /** Typed client with a new credential of this role. Default admin, not bound to an installation. */
  client<D extends ServiceDefinition>(definition: D, role?: RoleName, installation?: string): UnaryClient<D>;
  /** A channel for streams, closed at the end. */
  channel(role?: RoleName, installation?: string, subject?: string): Channel;
  /** The same with a credential of the test's own making. */
  channelWith(credential: string): Channel;
  /** A valid credential. The subject is the role's name. */
  token(role: RoleName, installation?: string, subject?: string): string;
  /** Safe twice. `keep`: databases and streams stay for a second start. */
  stop(options?: { readonly keep?: boolean }): Promise<void>;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const temp = options.dataDir === undefined ? await createTempFolder('stack') : undefined;
  const dataDir = options.dataDir ?? temp?.path ?? '';
  const prefix = options.prefix ?? randomId('t');
  const identityDir = join(dataDir, 'identity');
  await ensureIdentity(identityDir);
  const urls = backendUrls(options);
  const tuning = options.busTuning ?? {};
  const bus = await openBus({ url: urls.bus, file: join(dataDir, 'bus.db'), prefix, tuning });
  // Before anything is said.
  const tap = await tapEvents(bus);
  const cleanUp = async (keep: boolean): Promise<void> => {
    await tap.stop();
    await bus.close();
    if (!keep) await dropBackends(options, urls, prefix);
    await temp?.remove();
  };
  const running = await start(options, { dataDir, prefix, ...urls }, bus).catch(async (error: unknown) => {
    await cleanUp(false);
    throw error;
  });
  const clients = clientsOf(running, identityDir);
  let stopped: Promise<void> | undefined;

  return {
    ...tap,
    ...running,
    ...clients,
    dataDir,
    identityDir,
    prefix,
    store: (service) => storeOf(running, service),
    stop: ({ keep = false } = {}) =>
      (stopped ??= (async () => {
        clients.close();
        await running.stop();
        await cleanUp(keep);
      })()),
  };
}

type Clients = Pick<Stack, 'client' | 'channel' | 'channelWith' | 'token'> & { close(): void };

function clientsOf({ grpcAddress }: RunningProcess, identityDir: string): Clients {
  const channels: Channel[] = [];
  const sign = signerOf(identityDir);
  const token: Stack['token'] = (role, installation, subject = role) =>
    sign({ sub: subject, role, inst: installation });
  const channelWith: Stack['channelWith'] = (credential) => {
    const channel = openChannel({ address: grpcAddress, credential: () => credential });
    channels.push(channel);
    return channel;
  };
  return {
    token,
    channelWith,
    channel: (role = 'admin', installation, subject) => channelWith(token(role, installation, subject)),
    client: (definition, role = 'admin', installation) =>
      createClient(definition, channelWith(token(role, installation))),
    close: () => channels.forEach((channel) => channel.close()),
  };
}

interface Urls {
  readonly bus: string;
  readonly store: string;
}

function backendUrls(options: StackOptions): Urls {
  const bus = options.bus === 'nats' ? natsUrl() : '';
  const store = options.store === 'mongodb' ? mongodbUrl() : '';
  if (bus === undefined || store === undefined) {
    throw new Error('the stack needs LASTCALL_TEST_NATS_URL or LASTCALL_TEST_MONGODB_URL; guard it with describeWith');
  }
  return { bus, store };
}

async function start(
  options: StackOptions,
  common: Urls & { readonly dataDir: string; readonly prefix: string },
  bus: Bus,
): Promise<RunningProcess> {
  // LASTCALL_TEST_LOG=debug shows what the services under test say.
  const level = (process.env['LASTCALL_TEST_LOG'] ?? 'silent') as LogLevel;
  const settings = orThrow(
    readSettings({
      modules: options.modules,
      env: {},
      options: {
        ...common,
        grpcAddress: '127.0.0.1:0',
        httpAddress: '127.0.0.1:0',
        stopTimeoutMs: 5_000,
        // A host of a test that says nothing is not waited for as long as a real one.
        ...(options.modules.some(({ name }) => name === 'preflight') && { factsTimeoutMs: 15_000 }),
        ...options.settings,
      },
    }),
  );
  return startProcess({ modules: options.modules, settings, bus, log: createLogger(level) });
}

function storeOf(running: RunningProcess, service: ServiceName): Store {
  const store = running.stores.get(service);
  if (!store) throw new Error(`${service} is not one of the modules of this stack`);
  return store;
}

async function dropBackends(options: StackOptions, urls: Urls, prefix: string): Promise<void> {
  if (options.bus === 'nats') await dropNatsStream(urls.bus, prefix);
  if (options.store !== 'mongodb') return;
  for (const { name } of options.modules) await dropMongoDatabase(urls.store, `${prefix}_${name}`);
}
