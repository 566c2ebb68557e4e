import { sessionV1 } from '@lastcall/contracts';
import { createClient, openChannel, type Channel, type UnaryClient } from '@lastcall/sdk';
import { dropMongoDatabase, findFreePorts, mongodbUrl, startStack, type Stack, until } from '@lastcall/testkit';
import { join } from 'node:path';
import { installationKnown } from './run-said.js';
import { createReplica, type ServiceReplica } from './service-replica.js';
import { INSTALLATION, PARENT } from './services.js';
import { createSpreadLine, type SpreadLine } from './spread-line.js';

/*
 * Replicas of the session service as real processes on NATS and MongoDB, behind one address: killed with SIGKILL, asked to stop with
 * SIGTERM, started again on the same ports. What other services would say, the test says on the bus.
 */

type SessionClient = UnaryClient<typeof sessionV1.SessionServiceService>;

export interface SessionProcesses {
  /** The bus and the credentials; no service of its own. */
  readonly stack: Stack;
  /** The one address of all replicas. */
  readonly line: SpreadLine;
  readonly replicas: readonly ServiceReplica[];
  /** An operator at this replica. */
  operator(replica: number): SessionClient;
  /** To all replicas, with the credential of clients of the installation; closed at the end. */
  clientChannel(): Channel;
  stop(): Promise<void>;
}

export async function startSessionProcesses(
  count: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<SessionProcesses> {
  const store = mongodbUrl();
  if (store === undefined) throw new Error('needs NATS and MongoDB; guard it with describeWith');
  const stack = await startStack({ modules: [], bus: 'nats' });
  const ports = await findFreePorts(2 * count);
  const replicas: ServiceReplica[] = [];
  for (let i = 0; i < count; i++) {
    const env = {
      LASTCALL_STORE: store,
      LASTCALL_PREFIX: stack.prefix,
      LASTCALL_IDENTITY_DIR: stack.identityDir,
      LASTCALL_DATA_DIR: join(stack.dataDir, `session-${i}`),
      LASTCALL_HTTP_ADDRESS: `127.0.0.1:${ports[2 * i + 1]}`,
      ...settings,
    };
    replicas.push(await createReplica('session', `127.0.0.1:${ports[2 * i]}`, env));
  }
  const line = await createSpreadLine(replicas.map(({ address }) => address));
  const channels: Channel[] = [];
  const channelTo = (address: string, credential: string): Channel => {
    const channel = openChannel({ address, credential: () => credential });
    channels.push(channel);
    return channel;
  };
  const operators = replicas.map(({ address }) =>
    createClient(sessionV1.SessionServiceService, channelTo(address, stack.token('admin'))),
  );
  const operator = (replica: number): SessionClient => operators[replica]!;
  const stop = async (): Promise<void> => {
    channels.forEach((channel) => channel.close());
    await Promise.all(replicas.map((replica) => replica.child.stop()));
    await line.remove();
    await Promise.all(replicas.map((replica) => replica.nats.remove()));
    await stack.stop();
    await dropMongoDatabase(store, `${stack.prefix}_session`);
  };
  try {
    await Promise.all(replicas.map((replica) => replica.start()));
    await stack.publish('InstallationChanged', INSTALLATION, installationKnown());
    const { OPEN } = sessionV1.GateState;
    const isOpen = async (): Promise<boolean> =>
      (await operator(0).getGate({ name: `${PARENT}/gate` })).gate?.state === OPEN;
    await until(isOpen, 'the installation to be known');
  } catch (error) {
    await stop();
    throw error;
  }
  const clientChannel = (): Channel => channelTo(line.address, stack.token('client', INSTALLATION));
  return { stack, line, replicas, operator, clientChannel, stop };
}
