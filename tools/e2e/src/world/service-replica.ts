import type { ServiceName } from '@lastcall/contracts';
import { natsUrl, type Child, type ChildExit } from '@lastcall/testkit';
import { join } from 'node:path';
import { createCuttableLine, type CuttableLine } from './cuttable-line.js';
import { ROOT, startProgram } from './lastcall-processes.js';

/*
 * One replica of a service as a real process: killed with SIGKILL, asked to stop with SIGTERM, held with SIGSTOP, started again on the
 * same port.
 */

export interface ServiceReplica {
  readonly address: string;
  /** Its line to NATS. */
  readonly nats: CuttableLine;
  readonly child: Child;
  start(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it has ended. */
  terminate(): Promise<ChildExit>;
}

export async function createReplica(
  service: ServiceName,
  address: string,
  env: Readonly<Record<string, string>>,
): Promise<ServiceReplica> {
  const nats = await createCuttableLine(natsUrl() ?? '');
  const file = join(ROOT, 'services', service, 'dist/main.js');
  const start = (): Child => startProgram(file, [], { ...env, LASTCALL_BUS: nats.url, LASTCALL_GRPC_ADDRESS: address });
  let child = start();
  return {
    address,
    nats,
    get child() {
      return child;
    },
    start: async () => {
      if (child.lines.length > 0) child = start();
      await child.until(/"ready"/, 60_000);
    },
    kill: async () => {
      child.kill('SIGKILL');
      await child.exited;
    },
    terminate: () => child.stop(60_000),
  };
}
