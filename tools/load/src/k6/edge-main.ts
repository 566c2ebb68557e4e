import { startEdge, type EdgeOptions } from '@lastcall/testkit';

/* The edge as a program: routes as JSON in its first argument, its address on stdout. */

async function main(): Promise<void> {
  const routes = JSON.parse(process.argv[2] ?? '{}') as EdgeOptions['routes'];
  const edge = await startEdge({ routes });
  process.once('SIGTERM', () => void edge.stop().then(() => process.exit(0)));
  console.log(`edge at ${edge.address}`);
}

void main();
