import { sessionV1 } from '@lastcall/contracts';
import type { ServiceModule } from '@lastcall/runtime';
import { sessionModule, type SessionSettings } from '@lastcall/session';
import { startStack, type Stack, until } from '@lastcall/testkit';
import type { Pair } from './lastcall-processes.js';
import { installationKnown } from './run-said.js';
import { INSTALLATION, PARENT } from './services.js';

/*
 * Replicas of the session service in this process, on one store and one bus, with the installation known and its gate open. Embedded,
 * the store and the bus belong to one process, and the other replicas are given those of the first.
 */

export interface SessionReplicas {
  readonly first: Stack;
  readonly all: readonly Stack[];
  /** Documents of sessions in the store, asked at this replica. */
  count(replica?: number): Promise<number>;
  gate(): Promise<sessionV1.Gate>;
  stop(): Promise<void>;
}

export async function openReplicas(
  pair: Pair,
  count: number,
  settings: Partial<SessionSettings> = {},
): Promise<SessionReplicas> {
  const options =
    pair === 'embedded'
      ? ({ modules: [sessionModule], settings } as const)
      : ({ modules: [sessionModule], settings, bus: 'nats', store: 'mongodb' } as const);
  const first = await startStack(options);
  const all = [first];
  for (let i = 1; i < count; i++) {
    const modules = pair === 'embedded' ? [sharing(first)] : [sessionModule];
    all.push(await startStack({ ...options, modules, ...(pair === 'distributed' && { prefix: first.prefix }) }));
  }
  const clients = all.map((stack) => stack.client(sessionV1.SessionServiceService));
  const gate = async (): Promise<sessionV1.Gate> => {
    const found = await clients[0]?.getGate({ name: `${PARENT}/gate` });
    return found?.gate ?? sessionV1.Gate.create();
  };
  await first.publish('InstallationChanged', INSTALLATION, installationKnown());
  await until(async () => (await gate()).state === sessionV1.GateState.OPEN, 'the installation to be known');
  return {
    first,
    all,
    gate,
    count: async (replica = 0) => (await clients[replica]?.countSessions({ parent: PARENT }))?.count ?? NaN,
    stop: async () => {
      for (const stack of all.slice(1)) await stack.stop({ keep: true });
      await first.stop();
    },
  };
}

function sharing(first: Stack): ServiceModule<SessionSettings> {
  return {
    ...sessionModule,
    create: (context) => sessionModule.create({ ...context, store: first.store('session'), bus: first.bus }),
  };
}
