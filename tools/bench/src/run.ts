import { mongodbUrl, natsUrl } from '@lastcall/testkit';
import type { schedulerV1 } from '@lastcall/contracts';
import { parseArgs } from 'node:util';
import { atMost, runBenchmark, type Bench } from './benchmark.js';
import { startLastcall, type Backends, type Lastcall } from './lastcall.js';
import { readEvents, runTimesOf, stepsOf, type RunTimes } from './run-times.js';
import { createSites, type Sites } from './sites.js';
import { summarize, rounded } from './statistics.js';

/*
 * bench:run: the choreography of an update from due to reopened, without the work of the hosts, which answer at once. 200 runs one
 * after the other, and 200 by 20 installations that are due at the same instant; on SQLite, and on NATS with MongoDB.
 */

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    installations: { type: 'string', default: '20' },
    pair: { type: 'string', default: 'both' },
    explain: { type: 'boolean', default: false },
  },
});
const RUNS = Number(options.runs);
const INSTALLATIONS = Number(options.installations);
const GOALS_MS = { embedded: 150, distributed: 500 } as const;
/** Jobs for one instant are saved before it. */
const LEAD_MS = 3_000;

type Pair = keyof typeof GOALS_MS;
const PAIRS: readonly Pair[] = ['embedded', 'distributed'];

async function oneAfterTheOther(bench: Bench, sites: Sites): Promise<string[]> {
  const runs: string[] = [];
  while (runs.length < RUNS) {
    await sites.publishNext();
    for (const installation of sites.installations.slice(0, RUNS - runs.length)) {
      runs.push(await sites.run(installation, { condition: { $case: 'immediate', value: {} } }));
    }
    bench.say(`one after the other: ${runs.length}/${RUNS}`);
  }
  return runs;
}

async function allAtOnce(bench: Bench, sites: Sites): Promise<string[]> {
  const runs: string[] = [];
  while (runs.length < RUNS) {
    await sites.publishNext();
    const start = atSecond(Date.now() + LEAD_MS);
    const wave = sites.installations.slice(0, RUNS - runs.length);
    runs.push(...(await Promise.all(wave.map((installation) => sites.run(installation, start)))));
    bench.say(`${sites.installations.length} at once: ${runs.length}/${RUNS}`);
  }
  return runs;
}

function atSecond(at: number): schedulerV1.StartCondition {
  return { condition: { $case: 'time', value: { localTime: new Date(at).toISOString().slice(0, 19) } } };
}

function explain(bench: Bench, title: string, times: readonly RunTimes[]): void {
  bench.say(`${title}, ms from one event to the next:`);
  for (const { step, ms } of stepsOf(times)) {
    const { p50, p99, max } = summarize(ms);
    bench.say(`  ${step.padEnd(40)} p50 ${String(p50).padStart(5)}  p99 ${String(p99).padStart(5)}  max ${max}`);
  }
}

async function measurePair(bench: Bench, pair: Pair, backends: Backends | undefined): Promise<object> {
  bench.say(`${pair}: starting, with ${INSTALLATIONS} installations`);
  const lastcall = await startLastcall(bench, { name: pair, backends });
  const sites = await createSites(bench, lastcall, INSTALLATIONS);
  const single = await oneAfterTheOther(bench, sites);
  const together = await allAtOnce(bench, sites);
  await lastcall.stop();
  const events = await readEvents(lastcall.stores);
  const singleTimes = runTimesOf(events, single);
  const togetherTimes = runTimesOf(events, together);
  if (options.explain) {
    explain(bench, `${pair}, one after the other`, singleTimes);
    explain(bench, `${pair}, ${INSTALLATIONS} at once`, togetherTimes);
  }
  const oneByOneMs = summarize(singleTimes.map(({ reopenedMs }) => reopenedMs));
  const atOnceMs = summarize(togetherTimes.map(({ reopenedMs }) => reopenedMs));
  return {
    oneAfterTheOtherMs: oneByOneMs,
    atOnceMs,
    eventsPerRun: rounded(singleTimes.reduce((sum, { said }) => sum + said.length, 0) / RUNS),
    goals: { p99Ms: atMost(GOALS_MS[pair], oneByOneMs.p99), atOnceP99Ms: atMost(GOALS_MS[pair], atOnceMs.p99) },
  };
}

function findBackends(): Backends | undefined {
  const [nats, mongodb] = [natsUrl(), mongodbUrl()];
  return nats !== undefined && mongodb !== undefined ? { nats, mongodb } : undefined;
}

async function measure(bench: Bench): Promise<object> {
  const figures: Record<string, unknown> = { runs: RUNS, installations: INSTALLATIONS };
  for (const pair of PAIRS.filter((p) => options.pair === 'both' || options.pair === p)) {
    const backends = pair === 'distributed' ? findBackends() : undefined;
    if (pair === 'distributed' && !backends) {
      const why = 'LASTCALL_TEST_NATS_URL and LASTCALL_TEST_MONGODB_URL are not both set';
      bench.say(`distributed: skipped, ${why}`);
      figures[pair] = { skipped: why };
    } else figures[pair] = await measurePair(bench, pair, backends);
  }
  return figures;
}

export type { Lastcall };
void runBenchmark('bench:run', measure);
