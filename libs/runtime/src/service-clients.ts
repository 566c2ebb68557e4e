import type { ServiceDefinition, ServiceName } from '@lastcall/contracts';
import { Defect, Fault } from '@lastcall/kernel';
import { createClient, openChannel, type Channel, type ChannelTls, type UnaryClient } from '@lastcall/sdk';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asCalledService } from './called-service.js';
import type { CommonSettings } from './settings/index.js';
import type { Telemetry } from './telemetry/telemetry.js';

/*
 * How a service calls another one: with its own credential, with trace context, one channel for each address. A channel is opened
 * at the first call, because the address of this process is known only when everything is bound.
 */

export interface ServiceClients {
  client<D extends ServiceDefinition>(definition: D): UnaryClient<D>;
  /** For what every service serves: of that one. Undefined when no address of it is set. Throws CallErrors as they come. */
  clientOf<D extends ServiceDefinition>(
    service: ServiceName,
    definition: D,
  ): { readonly address: string; readonly client: UnaryClient<D> } | undefined;
  close(): void;
}

export interface ServiceClientsOptions {
  readonly service: ServiceName;
  readonly settings: CommonSettings;
  readonly tls: (() => ChannelTls) | undefined;
  readonly telemetry: Telemetry;
  readonly random: () => number;
  /** `host:port` of this process; asked when a channel is opened. */
  ownAddress(): string;
}

/** Which service serves an area of the contracts. */
const SERVED_BY: Readonly<Record<string, ServiceName>> = {
  catalog: 'catalog',
  identity: 'catalog',
  scheduler: 'scheduler',
  preflight: 'preflight',
  session: 'session',
  installer: 'installer',
};

export function createServiceClients(options: ServiceClientsOptions): ServiceClients {
  const channels = new Map<string, Channel>();
  const credential = createCredentialReader(join(options.settings.identityDir, `${options.service}.token`));

  function channelTo(service: ServiceName): Channel {
    const address = options.settings[`${service}Address`] || options.ownAddress();
    const open = channels.get(address);
    if (open) return open;
    const channel = openChannel({ address, credential, tls: options.tls, random: options.random });
    channels.set(address, channel);
    return channel;
  }

  return {
    client: (definition) => {
      const service = servedBy(definition);
      const channel = lateChannel(() => channelTo(service), options.telemetry);
      return asCalledService(createClient(definition, channel));
    },
    clientOf: (service, definition) => {
      const address = options.settings[`${service}Address`];
      if (address === '') return undefined;
      const channel = lateChannel(() => channelTo(service), options.telemetry);
      return { address, client: createClient(definition, channel) };
    },
    close: () => channels.forEach((channel) => channel.close()),
  };
}

function servedBy(definition: ServiceDefinition): ServiceName {
  const path = Object.values(definition)[0]?.path ?? '';
  const service = SERVED_BY[/^\/lastcall\.([a-z]+)\./.exec(path)?.[1] ?? ''];
  if (service) return service;
  throw new Defect(`nobody serves ${path}; the table in service-clients says who serves which area`);
}

function lateChannel(open: () => Channel, telemetry: Telemetry): Channel {
  return {
    get address() {
      return open().address;
    },
    get grpc() {
      return open().grpc;
    },
    headers: () => {
      const metadata = open().headers();
      for (const [name, value] of Object.entries(telemetry.traceContext())) metadata.set(name, String(value));
      return metadata;
    },
    random: () => open().random(),
    close: () => open().close(),
  };
}

/** How long a credential is used before its file is read again. */
const REREAD_AFTER_MS = 5_000;

function createCredentialReader(file: string): () => string {
  let credential = '';
  let readAt = -Infinity;
  return () => {
    if (performance.now() - readAt < REREAD_AFTER_MS) return credential;
    try {
      credential = readFileSync(file, 'utf8').trim();
      readAt = performance.now();
      return credential;
    } catch (cause) {
      throw new Fault(`this service's credential ${file} cannot be read`, { cause });
    }
  };
}
