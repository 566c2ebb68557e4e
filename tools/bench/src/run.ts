import { mongodbUrl, natsUrl } from '@lastcall/testkit';
import type { schedulerV1 } from '@lastcall/contracts';
import { parseArgs } from 'node:util';
import { atMost, runBenchmark, type Bench } from './benchmark.js';
import { measureFloors } from './floors.js';
import { startLastcall, type Backends, type Lastcall } from './lastcall.js';
import { readCpuMs } from './process-usage.js';
import { readEvents, runTimesOf, stepsOf, type RunTimes } from './run-times.js';
import { createSites, type Sites } from './sites.js';
import { perRun, readWrites, type Writes } from './store-writes.js';
import { ratio, rounded, summarize } from './statistics.js';

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
/** Jobs for one instant are saved before it: so long, and three times what it took the last time. */
const LEAD_MS = 2_000;
const FIRST_SAVING_MS = 3_000;
const COUNTED_RUNS = 20;
const IMMEDIATE: schedulerV1.StartCondition = { condition: { $case: 'immediate', value: {} } };

type Pair = keyof typeof GOALS_MS;
const PAIRS: readonly Pair[] = ['embedded', 'distributed'];

async function oneAfterTheOther(bench: Bench, sites: Sites): Promise<string[]> {
  const runs: string[] = [];
  while (runs.length < RUNS) {
    await sites.publishNext();
    for (const installation of sites.installations.slice(0, RUNS - runs.length)) {
      runs.push(await (await sites.save(installation, IMMEDIATE)).ended());
    }
    bench.say(`one after the other: ${runs.length}/${RUNS}`);
  }
  return runs;
}

async function allAtOnce(bench: Bench, sites: Sites): Promise<string[]> {
  const runs: string[] = [];
  let savingMs = FIRST_SAVING_MS;
  while (runs.length < RUNS) {
    await sites.publishNext();
    const began = Date.now();
    const start = atSecond(began + LEAD_MS + 3 * savingMs);
    const wave = sites.installations.slice(0, RUNS - runs.length);
    const jobs = await Promise.all(wave.map((installation) => sites.save(installation, start)));
    savingMs = Date.now() - began;
    runs.push(...(await Promise.all(jobs.map((job) => job.ended()))));
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

/** The runs with nothing that watches them. */
async function measureRuns(bench: Bench, pair: Pair, backends: Backends | undefined) {
  const lastcall = await startLastcall(bench, { name: pair, backends });
  const sites = await createSites(bench, lastcall, INSTALLATIONS);
  const single = await withCpu(lastcall, () => oneAfterTheOther(bench, sites));
  const together = await withCpu(lastcall, () => allAtOnce(bench, sites));
  await lastcall.stop();
  const events = await readEvents(lastcall.stores);
  return {
    single: { times: runTimesOf(events, single.runs), cpuMs: single.cpuMs },
    together: { times: runTimesOf(events, together.runs), cpuMs: together.cpuMs },
  };
}

interface Ran {
  readonly runs: readonly string[];
  /** Of all processes of Lastcall, for each run; what was done between the runs included. */
  readonly cpuMs: number;
}

async function withCpu({ pids }: Lastcall, doRuns: () => Promise<readonly string[]>): Promise<Ran> {
  const used = (): number => pids.reduce((sum, pid) => sum + readCpuMs(pid), 0);
  const before = used();
  const runs = await doRuns();
  return { runs, cpuMs: rounded((used() - before) / runs.length) };
}

/** In a Lastcall of its own with metrics on, because counting is not for nothing. */
async function countWrites(bench: Bench, pair: Pair, backends: Backends | undefined): Promise<Writes> {
  const lastcall = await startLastcall(bench, { name: `${pair}-counted`, backends, withMetrics: true });
  const sites = await createSites(bench, lastcall, COUNTED_RUNS);
  await sites.publishNext();
  const before = await readWrites(lastcall);
  for (const installation of sites.installations) await (await sites.save(installation, IMMEDIATE)).ended();
  const writes = perRun(before, await readWrites(lastcall), COUNTED_RUNS);
  await lastcall.stop();
  return writes;
}

async function measurePair(bench: Bench, pair: Pair, backends: Backends | undefined): Promise<object> {
  const floors = await measureFloors(bench, backends);
  bench.say(`${pair}: one bare write ${floors.writeMs.p50} ms, one bare event ${floors.eventMs.p50} ms`);
  const { single, together } = await measureRuns(bench, pair, backends);
  const writesPerRun = await countWrites(bench, pair, backends);
  if (options.explain) {
    explain(bench, `${pair}, one after the other`, single.times);
    explain(bench, `${pair}, ${INSTALLATIONS} at once`, together.times);
  }
  const oneByOneMs = summarize(single.times.map(({ reopenedMs }) => reopenedMs));
  const atOnceMs = summarize(together.times.map(({ reopenedMs }) => reopenedMs));
  return {
    oneAfterTheOtherMs: oneByOneMs,
    atOnceMs,
    cpuMsPerRun: { oneAfterTheOther: single.cpuMs, atOnce: together.cpuMs },
    eventsPerRun: rounded(single.times.reduce((sum, { said }) => sum + said.length, 0) / single.times.length),
    writesPerRun,
    floors,
    ratioToOneWriteAndEvent: ratio(oneByOneMs.p50, floors.writeMs.p50 + floors.eventMs.p50),
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

void runBenchmark('bench:run', measure);
