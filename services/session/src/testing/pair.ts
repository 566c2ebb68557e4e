import type { Bus } from '@lastcall/bus';
import { sessionV1, type EventEnvelope, type EventMessage } from '@lastcall/contracts';
import type { AnyServiceModule, ServiceModule } from '@lastcall/runtime';
import type { Channel, UnaryClient } from '@lastcall/sdk';
import type { Store } from '@lastcall/store';
import { openDocuments, type Documents } from '../documents.js';
import { sessionModule } from '../service.js';
import type { SessionSettings } from '../settings.js';
import { eventually } from './eventually.js';
import { AttachClient, attachedOn, type Attached } from './attach-client.js';
import { INSTALLATION, installationChanged } from './run-events.js';

/* Two replicas of the session service on the same store and bus, with one installation. */

export type Backing = 'embedded' | 'distributed';

type Sessions = UnaryClient<typeof sessionV1.SessionServiceService>;

/** What is needed of a running replica. */
export interface Replica {
  readonly bus: Bus;
  readonly prefix: string;
  client(definition: typeof sessionV1.SessionServiceService): Sessions;
  channel(role: 'client', installation: string, subject?: string): Channel;
  store(service: 'session'): Store;
  publish(
    type: 'InstallationChanged',
    installation: string,
    message: EventMessage<'InstallationChanged'>,
  ): Promise<EventEnvelope>;
  stop(options?: { readonly keep?: boolean }): Promise<void>;
}

export interface ReplicaOptions {
  readonly modules: readonly AnyServiceModule[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly bus?: 'nats';
  readonly store?: 'mongodb';
  readonly prefix?: string;
}

type Start<R> = (options: ReplicaOptions) => Promise<R>;

export interface Pair<R> {
  readonly first: R;
  readonly second: R;
  readonly documents: Documents;
  attach(replica: R, hello?: Partial<sessionV1.Hello>, subject?: string): AttachClient;
  attached(replica: R, hello?: Partial<sessionV1.Hello>): Promise<Attached>;
  operator(replica: R): Sessions;
  /** Every session of the installation, by way of this replica. */
  list(replica: R, filter?: { user?: string; host?: string; pageSize?: number }): Promise<sessionV1.Session[]>;
  stop(): Promise<void>;
}

export interface PairOptions {
  readonly backing: Backing;
  readonly settings?: Partial<SessionSettings>;
  readonly policy?: Parameters<typeof sessionV1.SessionPolicy.fromPartial>[0];
}

const PARENT = `installations/${INSTALLATION}`;
const SETTINGS = { sessionLeaseMs: 5_000, resumeGraceMs: 2_000, heartbeatIntervalMs: 60_000, moveMs: 1_000 };

export async function startPair<R extends Replica>(start: Start<R>, options: PairOptions): Promise<Pair<R>> {
  const { backing, policy = {} } = options;
  const settings = { ...SETTINGS, ...options.settings };
  const [first, second] = await (backing === 'embedded' ? embedded(start, settings) : distributed(start, settings));
  const documents = await openDocuments(first.store('session'));
  const operator: Pair<R>['operator'] = (replica) => replica.client(sessionV1.SessionServiceService);
  const attach: Pair<R>['attach'] = (replica, hello, subject) =>
    new AttachClient(replica.channel('client', INSTALLATION, subject), hello ?? {});
  const sessionPolicy = sessionV1.SessionPolicy.fromPartial(policy);
  await first.publish('InstallationChanged', INSTALLATION, installationChanged({ sessionPolicy }));
  await eventually(async () => (await documents.gates.get(INSTALLATION))?.data.facts !== undefined);
  return {
    first,
    second,
    documents,
    attach,
    attached: (replica, hello) => attachedOn(() => attach(replica, hello)),
    operator,
    list: async (replica, { user = '', host = '', pageSize = 0 } = {}) => {
      const all: sessionV1.Session[] = [];
      let pageToken = '';
      do {
        const page = await operator(replica).listSessions({ parent: PARENT, pageSize, pageToken, user, host });
        all.push(...page.sessions);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return all;
    },
    stop: async () => {
      await second.stop({ keep: true });
      await first.stop();
    },
  };
}

/** The embedded bus and store belong to one process: the second replica is given those of the first. */
async function embedded<R extends Replica>(start: Start<R>, settings: ReplicaOptions['settings']): Promise<[R, R]> {
  const first = await start({ modules: [sessionModule], settings });
  const sharing: ServiceModule<SessionSettings> = {
    ...sessionModule,
    create: (context) => sessionModule.create({ ...context, store: first.store('session'), bus: first.bus }),
  };
  return [first, await start({ modules: [sharing], settings })];
}

async function distributed<R extends Replica>(start: Start<R>, settings: ReplicaOptions['settings']): Promise<[R, R]> {
  const options = { modules: [sessionModule], settings, bus: 'nats', store: 'mongodb' } as const;
  const first = await start(options);
  return [first, await start({ ...options, prefix: first.prefix })];
}
