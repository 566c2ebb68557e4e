import { openClaiming, type Claiming } from '@lastcall/scheduler/testing';
import { openStore, type Store } from '@lastcall/store';
import { dropMongoDatabase, mongodbUrl } from '@lastcall/testkit';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { atLeast, atMost, runBenchmark, type Bench } from './benchmark.js';
import { measureAgenda, measurePgBoss, type PeerResult } from './scheduler-peers.js';
import { ratio, rounded, summarize } from './statistics.js';

/*
 * bench:scheduler: how fast one replica decides which jobs are due, on SQLite and on MongoDB, beside pg-boss and Agenda in the same run; how late it
 * is at a steady rate; what it takes to find what is due next among few and many jobs; and what many jobs cost in memory.
 */

const { values: options } = parseArgs({
  options: {
    jobs: { type: 'string', default: '20000' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    many: { type: 'string', default: '1000000' },
  },
});
const JOBS = Number(options.jobs);
const RATE = Number(options.rate);
const SECONDS = Number(options.seconds);
const MANY = Number(options.many);
const FEW = 1_000;
const HELD = 100_000;
const AGENDA_JOBS = 2_000;
const MONGODB_JOBS = 5_000;
const DAY_MS = 86_400_000;
const LOOKS = 200;
const GOALS = { sqlite: 5_000, mongodb: 2_300, latenessMs: 1_000 } as const;

type Kind = 'sqlite' | 'mongodb';

let opened = 0;
/** A new one each time. */
async function openNew(bench: Bench, kind: Kind): Promise<Store> {
  const database = `bench_scheduler_${process.pid}_${opened++}`;
  const url = kind === 'mongodb' ? (mongodbUrl() ?? '') : '';
  const store = await openStore({ url, file: join(bench.dir, `${database}.db`), service: 'scheduler', database });
  bench.onEnd(async () => {
    await store.close();
    if (kind === 'mongodb') await dropMongoDatabase(url, database);
  });
  return store;
}

/** Everything is due; decided as fast as it goes. */
async function measureClaims(bench: Bench, kind: Kind, jobs: number): Promise<number> {
  const claiming = await openClaiming(await openNew(bench, kind));
  const before = Date.now() - 60_000;
  await claiming.fill(jobs, (n) => before + n);
  bench.say(`${kind}: ${jobs} jobs are due`);
  const from = performance.now();
  for (let done = 0; done < jobs; done += claiming.claimed().length) await claiming.claimOnce();
  const perSecond = Math.round(jobs / ((performance.now() - from) / 1_000));
  bench.say(`${kind}: ${perSecond} claims a second`);
  return perSecond;
}

/** From the due time until the firing is on record. */
async function measureLateness(bench: Bench, kind: Kind) {
  const claiming = await openClaiming(await openNew(bench, kind));
  const jobs = RATE * SECONDS;
  const from = Date.now() + 5_000 + jobs / (kind === 'sqlite' ? 20 : 2);
  await claiming.fill(jobs, (n) => from + (n * 1_000) / RATE);
  if (Date.now() > from) return { skipped: `${jobs} jobs could not be saved in time` };
  bench.say(`${kind}: ${RATE} jobs are due each second for ${SECONDS} s`);
  const late: number[] = [];
  const until = from + SECONDS * 1_000 + 30_000;
  while (late.length < jobs && Date.now() < until) {
    const next = await claiming.claimOnce();
    for (const { dueAt, at } of claiming.claimed()) late.push(at - dueAt);
    await pause(Math.min(1_000, Math.max(0, (next ?? Infinity) - Date.now())));
  }
  const lateMs = summarize(late);
  bench.say(`${kind}: ${late.length} of ${jobs}, late p50 ${lateMs.p50} ms, p99 ${lateMs.p99} ms`);
  return { due: jobs, claimed: late.length, lateMs, goal: atMost(GOALS.latenessMs, lateMs.p99) };
}

/** Looks for what is due, with nothing that is. */
async function measureLook(claiming: Claiming): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < LOOKS; n++) {
    const from = performance.now();
    await claiming.claimOnce();
    times.push(performance.now() - from);
  }
  return summarize(times).p50;
}

async function measureScale(bench: Bench, kind: Kind) {
  const claiming = await openClaiming(await openNew(bench, kind));
  const later = (n: number): number => Date.now() + DAY_MS + n;
  await claiming.fill(FEW, later);
  const fewMs = await measureLook(claiming);
  const emptyMib = residentMib();
  await claiming.fill(HELD - FEW, later);
  await measureLook(claiming);
  const heldMib = residentMib();
  bench.say(`${kind}: ${HELD} jobs, ${heldMib} MiB (${emptyMib} MiB with ${FEW})`);
  await claiming.fill(MANY - HELD, later);
  const manyMs = await measureLook(claiming);
  bench.say(`${kind}: a look at ${FEW} jobs ${fewMs} ms, at ${MANY} ${manyMs} ms`);
  return {
    jobs: [FEW, MANY],
    lookMs: [fewMs, manyMs],
    ratio: ratio(manyMs, fewMs),
    residentMib: { [FEW]: emptyMib, [HELD]: heldMib },
  };
}

function residentMib(): number {
  globalThis.gc?.();
  return rounded(process.memoryUsage.rss() / 2 ** 20);
}

const perSecondOf = (peer: PeerResult): number => ('perSecond' in peer ? peer.perSecond : 0);

async function measure(bench: Bench): Promise<object> {
  const sqlite = await measureClaims(bench, 'sqlite', JOBS);
  const pgBoss = await measurePgBoss(bench, JOBS);
  const figures = {
    claimsPerSecond: { sqlite, goal: atLeast(GOALS.sqlite, sqlite) },
    peers: { pgBoss, ratioOfSqliteToPgBoss: ratio(sqlite, perSecondOf(pgBoss)) },
    lateness: { sqlite: await measureLateness(bench, 'sqlite') },
    scale: { sqlite: await measureScale(bench, 'sqlite') },
  };
  const url = mongodbUrl();
  if (url === undefined) return { ...figures, mongodb: { skipped: 'LASTCALL_TEST_MONGODB_URL is not set' } };
  const mongodb = await measureClaims(bench, 'mongodb', MONGODB_JOBS);
  const agenda = await measureAgenda(bench, url, AGENDA_JOBS);
  return {
    ...figures,
    mongodb: {
      claimsPerSecond: { mongodb, goal: atLeast(GOALS.mongodb, mongodb) },
      peers: { agenda, ratioToAgenda: ratio(mongodb, perSecondOf(agenda)) },
      lateness: await measureLateness(bench, 'mongodb'),
    },
  };
}

void runBenchmark('bench:scheduler', measure);
