import { isRejected } from '@lastcall/kernel';
import { startUp } from '@lastcall/up';
import { startMonitor } from './monitor.js';

/* `lastcall up` as it is, with a monitor beside it. The data folder is the argument. */

async function run(dataDir: string): Promise<void> {
  const up = await startUp({ dataDir, grpcAddress: '127.0.0.1:0', httpAddress: '127.0.0.1:0' });
  if (isRejected(up)) throw new Error(up.message);
  startMonitor();
  process.once('SIGTERM', () => void up.stop().then(() => process.exit(0)));
  const { grpcAddress, operatorTokenFile } = up;
  process.stdout.write(`up ${JSON.stringify({ grpcAddress, operatorTokenFile, dataDir: up.dataDir })}\n`);
}

void run(process.argv[2] ?? '');
