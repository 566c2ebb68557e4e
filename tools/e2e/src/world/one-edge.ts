import { sessionV1 } from '@lastcall/contracts';
import { openChannel, type Channel, type UnaryClient } from '@lastcall/sdk';
import { createTempFolder, until } from '@lastcall/testkit';
import { readFile } from 'node:fs/promises';
import { startLastcall, type Pair } from './lastcall-processes.js';
import { addInstallation, createClientToken, PARENT, servicesOn } from './services.js';
import { startSessionProcesses } from './session-processes.js';

/*
 * One process that users attach to, on either pair, with an installation whose gate is open: what a test needs that looks at the process
 * itself.
 */

export interface OneEdge {
  /** `host:port`. */
  readonly address: string;
  readonly pid: number;
  readonly operator: UnaryClient<typeof sessionV1.SessionServiceService>;
  /** A new credential of a client of the installation. */
  clientToken(): Promise<string>;
  stop(): Promise<void>;
}

export function startOneEdge(pair: Pair, settings: Readonly<Record<string, string>>): Promise<OneEdge> {
  return pair === 'embedded' ? embedded(settings) : distributed(settings);
}

async function embedded(settings: Readonly<Record<string, string>>): Promise<OneEdge> {
  const folder = await createTempFolder('edge');
  const lastcall = await startLastcall({ pair: 'embedded', dir: folder.path, settings: { session: settings } });
  const credential = (await readFile(lastcall.operatorTokenFile, 'utf8')).trim();
  const channel: Channel = openChannel({ address: lastcall.grpcAddress, credential: () => credential });
  const services = servicesOn(channel);
  await services.catalog.createProduct({ productId: 'tiny', product: { name: '', title: 'Tiny' } });
  await addInstallation(services, 2_000);
  await known(services.session);
  return {
    address: lastcall.grpcAddress,
    pid: lastcall.pids[0] ?? 0,
    operator: services.session,
    clientToken: () => createClientToken(services),
    stop: async () => {
      channel.close();
      await lastcall.stop();
      await folder.remove();
    },
  };
}

async function distributed(settings: Readonly<Record<string, string>>): Promise<OneEdge> {
  const processes = await startSessionProcesses(1, settings);
  const [replica] = processes.replicas;
  return {
    address: replica?.address ?? '',
    pid: replica?.child.pid ?? 0,
    operator: processes.operator(0),
    clientToken: async () => processes.stack.token('client', PARENT.split('/')[1]),
    stop: () => processes.stop(),
  };
}

async function known(session: OneEdge['operator']): Promise<void> {
  const { OPEN } = sessionV1.GateState;
  const isOpen = async (): Promise<boolean> => (await session.getGate({ name: `${PARENT}/gate` })).gate?.state === OPEN;
  await until(isOpen, 'the installation to be known');
}
