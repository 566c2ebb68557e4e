import { runBenchmark, type Backends, type Bench } from '@lastcall/bench';
import { mongodbUrl, natsUrl } from '@lastcall/testkit';
import { writeFileSync } from 'node:fs';
import { prepareMachine } from './fanout/machine.js';
import { findK6, K6_MISSING } from './k6/k6.js';
import { parseOptions, USAGE, type LoadOptions } from './k6/options.js';
import { tableOf } from './k6/report.js';
import { runScenario, type ScenarioResult } from './k6/run-scenario.js';
import { SCENARIOS } from './k6/scenarios/all.js';

/*
 * npm run load: whole scenarios with thousands of clients of k6. What is asserted is whether it was right: all told, all acknowledged, none
 * twice, none early, nobody let in after the close. Times are reported, and say something only beside each other.
 */

function backendsFor({ replicas }: LoadOptions): Backends | undefined {
  if (replicas === 0) return undefined;
  const [nats, mongodb] = [natsUrl(), mongodbUrl()];
  if (nats !== undefined && mongodb !== undefined) return { nats, mongodb };
  throw new Error('--replicas needs LASTCALL_TEST_NATS_URL and LASTCALL_TEST_MONGODB_URL');
}

async function load(bench: Bench, options: LoadOptions, k6: string, backends: Backends | undefined): Promise<object> {
  const machine = prepareMachine(socketsOf(options));
  const results: ScenarioResult[] = [];
  for (const name of options.scenarios) {
    bench.say(`${name}: ${options.clients} clients, ${options.users} users of k6`);
    results.push(await runScenario({ bench, options, machine, backends }, SCENARIOS[name]));
  }
  const ok = results.every((result) => result.ok);
  console.log(tableOf(results));
  if (!ok) process.exitCode = 1;
  const { clients, users, replicas } = options;
  const figures = { ok, k6, clients, users, replicas, isPinned: machine.isPinned && !backends, scenarios: results };
  if (options.out !== '') writeFileSync(options.out, `${JSON.stringify(figures, null, 2)}\n`);
  return figures;
}

/** k6 keeps the connections that its clients have left; those of a killed replica dial again. */
function socketsOf({ clients, users, replicas }: LoadOptions): number {
  const again = replicas > 0 ? Math.ceil((clients * 1.3) / replicas) : 0;
  return clients + again + 2 * users;
}

function refuse(why: string): void {
  console.error(why);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  let options: LoadOptions;
  let backends: Backends | undefined;
  try {
    options = parseOptions(process.argv.slice(2));
    backends = backendsFor(options);
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
  const k6 = findK6();
  if (k6 === undefined) return refuse(K6_MISSING);
  await runBenchmark('load', (bench) => load(bench, options, k6, backends));
}

void main();
