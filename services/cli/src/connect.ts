import {
  catalogV1,
  identityV1,
  installerV1,
  operationsV1,
  preflightV1,
  schedulerV1,
  sessionV1,
  type ServiceDefinition,
} from '@lastcall/contracts';
import { createClient, openChannel, type Channel, type Connection, type UnaryClient } from '@lastcall/sdk';
import { UsageError } from './failures.js';
import type { Io } from './io.js';
import { lastPart } from './render/words.js';
import { connectionOf } from './sign-in/login.js';

/*
 * The services as commands use them. Nothing is opened before it is needed: `--help` and completion work without a server.
 */
export class Services {
  private opened: { channel: Channel; connection: Connection } | undefined;

  constructor(private readonly io: Io) {}

  get connection(): Connection {
    return this.open().connection;
  }

  get channel(): Channel {
    return this.open().channel;
  }

  get catalog(): UnaryClient<typeof catalogV1.CatalogServiceService> {
    return this.client(catalogV1.CatalogServiceService);
  }

  get waves(): UnaryClient<typeof catalogV1.WaveServiceService> {
    return this.client(catalogV1.WaveServiceService);
  }

  get scheduler(): UnaryClient<typeof schedulerV1.SchedulerServiceService> {
    return this.client(schedulerV1.SchedulerServiceService);
  }

  get preflight(): UnaryClient<typeof preflightV1.PreflightServiceService> {
    return this.client(preflightV1.PreflightServiceService);
  }

  get session(): UnaryClient<typeof sessionV1.SessionServiceService> {
    return this.client(sessionV1.SessionServiceService);
  }

  get installer(): UnaryClient<typeof installerV1.InstallerServiceService> {
    return this.client(installerV1.InstallerServiceService);
  }

  get tokens(): UnaryClient<typeof identityV1.TokenServiceService> {
    return this.client(identityV1.TokenServiceService);
  }

  get operations(): UnaryClient<typeof operationsV1.OperationsServiceService> {
    return this.client(operationsV1.OperationsServiceService);
  }

  /** The installation that is named, by option or environment, else the only one that there is. */
  async installation(id: string | undefined): Promise<catalogV1.Installation> {
    const named = id ?? this.io.env['LASTCALL_INSTALLATION'];
    if (named) return this.installationNamed(lastPart(named));
    const request = catalogV1.ListInstallationsRequest.fromPartial({ pageSize: 20 });
    const { installations } = await this.catalog.listInstallations(request);
    const [only, ...others] = installations;
    if (only && others.length === 0) return only;
    if (!only) throw new UsageError('there is no installation yet; add one with "lastcall installation add"');
    const ids = installations.map((i) => lastPart(i.name)).join(', ');
    throw new UsageError(`there are several installations (${ids}); name one with -i, or set LASTCALL_INSTALLATION`);
  }

  async installationNamed(id: string): Promise<catalogV1.Installation> {
    const request = catalogV1.GetInstallationRequest.fromPartial({ name: `installations/${id}` });
    const { installation } = await this.catalog.getInstallation(request);
    return installation ?? catalogV1.Installation.fromPartial({ name: request.name, timeZone: 'UTC' });
  }

  close(): void {
    this.opened?.channel.close();
    this.opened = undefined;
  }

  private client<D extends ServiceDefinition>(definition: D): UnaryClient<D> {
    return createClient(definition, this.channel);
  }

  private open(): { channel: Channel; connection: Connection } {
    if (!this.opened) {
      const connection = connectionOf(this.io.env);
      this.opened = { connection, channel: openChannel(connection) };
    }
    return this.opened;
  }
}

/** All pages of a list. */
export async function allPages<T>(
  read: (pageToken: string) => Promise<{ items: readonly T[]; next: string }>,
): Promise<T[]> {
  const all: T[] = [];
  let pageToken = '';
  do {
    const { items, next } = await read(pageToken);
    all.push(...items);
    pageToken = next;
  } while (pageToken !== '');
  return all;
}
