import { askHealth } from './health-question.js';
import { reachable } from './reachable.js';

/*
 * Whether the service of this container serves, as a program: `node healthcheck.js [HOST:PORT]`. Asked is the address of the argument, else that
 * of LASTCALL_HEALTH_ADDRESS, else that of LASTCALL_GRPC_ADDRESS, else the default of that. Says one sentence; exits 0 when it serves, else 1.
 */

/** Below the five seconds that container engines wait. */
const TIMEOUT_MS = 3_000;

async function main(): Promise<void> {
  const { LASTCALL_HEALTH_ADDRESS: own, LASTCALL_GRPC_ADDRESS: shared } = process.env;
  const address = process.argv[2] || own || shared || '127.0.0.1:7421';
  const { isServing, sentence } = await askHealth(reachable(address), TIMEOUT_MS);
  process[isServing ? 'stdout' : 'stderr'].write(`${sentence}\n`);
  process.exitCode = isServing ? 0 : 1;
}

void main();
