import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { atLeast, atMost, runBenchmark, type Bench } from './benchmark.js';
import { startLastcall, type Lastcall } from './lastcall.js';
import { readCpuMs } from './process-usage.js';
import { startRelay } from './relay.js';
import { startCurlPeer, waitForDisk, type CurlPeer, type CurlTime } from './stage-peers.js';
import {
  addHost,
  pathsOf,
  publish,
  stage,
  useCatalog,
  writeNextRelease,
  writeRelease,
  type Staged,
} from './stage-site.js';
import { median, ratio, rounded, summarize } from './statistics.js';

/*
 * bench:stage: a release of 1 GB in 5,000 files from the catalog to hosts on the same machine, beside curl that fetches the same files
 * from nginx; an update that changes 3 % of them; ten hosts at once. Nothing is removed before the end: ext4 is slow to make files while it
 * passes over the records of those that were removed in the last minutes, and whoever comes next would pay for it.
 */

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '5000' },
    megabytes: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    hosts: { type: 'string', default: '10' },
  },
});
const COUNT = Number(options.files);
const FILES = { count: COUNT, bytesEach: Math.floor((Number(options.megabytes) * 1e6) / COUNT) };
const BYTES = FILES.count * FILES.bytesEach;
const ROUNDS = Number(options.rounds);
const HOSTS = Number(options.hosts);
const CURLS_AT_ONCE = 6;
/** One file in 33 is 3 %. */
const CHANGED_EVERY = 33;
const GOALS = { toCurl: 0.9, updatePercent: 4, agentMib: 150 } as const;

const megabytesPerSecond = (bytes: number, ms: number): number => rounded(bytes / 1e3 / ms);

async function measure(bench: Bench): Promise<object> {
  demandSpace(bench);
  const releases = join(bench.dir, 'releases');
  bench.say(`writing ${FILES.count} files of ${FILES.bytesEach} bytes`);
  const artifact = writeRelease(releases, '1.0.0', FILES);
  const lastcall = await startLastcall(bench, { name: 'lastcall' });
  const began = performance.now();
  await publish(lastcall, join(releases, '1.0.0'));
  bench.say(`published in ${rounded((performance.now() - began) / 1000)} s`);
  const curl = await startCurlPeer(bench, artifact, pathsOf(FILES));
  if (!curl) bench.say('nginx or curl is not installed: measured without them (apt-get install nginx curl)');
  const alone = await oneAfterTheOther(bench, lastcall, curl);
  const update = await measureUpdate(bench, lastcall, releases);
  const together = await allAtOnce(bench, lastcall);
  const peaks = [...alone.staged, ...together.staged].map(({ peakMib }) => peakMib);
  return {
    ...{ files: FILES.count, bytes: BYTES, peer: curl?.says ?? 'none' },
    ...{ one: alone.figures, update: update.figures, atOnce: together.figures, agentPeakMib: summarize(peaks) },
    goals: {
      ...(curl && { ratioToCurl: atLeast(GOALS.toCurl, alone.toCurl) }),
      updatePercentOfBytes: atMost(GOALS.updatePercent, update.percent),
      agentPeakMib: atMost(GOALS.agentMib, Math.round(Math.max(...peaks))),
    },
  };
}

/** The release twice, its blobs, two curls and a host a round, ten hosts. */
function demandSpace(bench: Bench): void {
  const { bavail, bsize } = statfsSync(bench.dir);
  const needed = BYTES * (4 + 3 * ROUNDS + HOSTS);
  if (bavail * bsize > needed) return;
  throw new Error(
    `${bench.dir} needs ${rounded(needed / 1e9)} GB free; set TMPDIR, or measure less (--megabytes, --hosts)`,
  );
}

/** In each round curl both ways and a host that holds nothing, so that all of them meet the same machine. */
async function oneAfterTheOther(bench: Bench, lastcall: Lastcall, curl: CurlPeer | undefined) {
  const staged: Staged[] = [];
  const curls: CurlTime[][] = [[], []];
  const serverCpu = readCpuMs(lastcall.pidOf('catalog'));
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [i, atOnce] of [1, CURLS_AT_ONCE].entries()) if (curl) curls[i]?.push(await curl.fetchAll(atOnce));
    const host = await addHost(bench, lastcall, `one-${round}`);
    await waitForDisk(bench.dir);
    const result = await stage(host, '1.0.0');
    staged.push(result);
    const others = curls.map((times) => inWords(times.at(-1))).join(' and ');
    const steps = Object.entries(result.steps).map(([step, ms]) => `${step} ${ms}`);
    bench.say(`${round}/${ROUNDS}: staged in ${Math.round(result.ms)} ms (${steps.join(', ')}), curl in ${others}`);
  }
  const ms = staged.map((s) => s.ms);
  // The quicker way of curl is the one to be compared with.
  const best = Math.min(...curls.filter((times) => times.length > 0).map((times) => median(times.map((t) => t.ms))));
  const ratios = (of: keyof CurlTime): number[] =>
    staged.map((s, i) => ratio(Math.min(...curls.map((times) => times[i]?.[of] ?? Infinity)), s.ms));
  return {
    staged,
    toCurl: curl ? ratio(best, median(ms)) : 0,
    figures: {
      stagedMs: summarize(ms),
      megabytesPerSecond: megabytesPerSecond(BYTES, median(ms)),
      ...(curl && {
        curlOneConnectionMs: summarize((curls[0] ?? []).map((t) => t.ms)),
        [`curl${CURLS_AT_ONCE}ConnectionsMs`]: summarize((curls[1] ?? []).map((t) => t.ms)),
        ratiosToCurlByRound: ratios('ms'),
        ratiosToCurlOnDiskByRound: ratios('onDiskMs'),
      }),
      agentCpuMs: rounded(median(staged.map((s) => s.cpuMs))),
      catalogCpuMs: rounded((readCpuMs(lastcall.pidOf('catalog')) - serverCpu) / ROUNDS),
    },
  };
}

function inWords(time: CurlTime | undefined): string {
  return time ? `${Math.round(time.ms)} ms (${Math.round(time.onDiskMs)} ms until it was on the disk)` : 'no time';
}

async function measureUpdate(bench: Bench, lastcall: Lastcall, releases: string) {
  const changed = writeNextRelease(releases, '1.0.0', '1.1.0', FILES, CHANGED_EVERY);
  await publish(lastcall, join(releases, '1.1.0'));
  const relay = await startRelay(bench, lastcall.catalogUrl);
  const host = { dataDir: join(bench.dir, `one-${ROUNDS}`) };
  useCatalog(host, relay.url);
  const staged = await stage(host, '1.1.0');
  const percent = rounded((relay.bytes() / BYTES) * 100);
  const changedPercent = rounded((changed / FILES.count) * 100);
  bench.say(`an update of ${changedPercent} % of the files: ${percent} % of the bytes in ${Math.round(staged.ms)} ms`);
  return {
    percent,
    figures: {
      ...{ changedPercent, bytesOnTheWire: relay.bytes(), percentOfBytes: percent, stagedMs: rounded(staged.ms) },
      ...{ steps: staged.steps, peakMib: rounded(staged.peakMib) },
    },
  };
}

async function allAtOnce(bench: Bench, lastcall: Lastcall) {
  const hosts = [];
  for (let i = 1; i <= HOSTS; i++) hosts.push(await addHost(bench, lastcall, `many-${i}`));
  await waitForDisk(bench.dir);
  const serverCpu = readCpuMs(lastcall.pidOf('catalog'));
  const staged = await Promise.all(hosts.map((host) => stage(host, '1.0.0')));
  const slowest = Math.max(0, ...staged.map(({ ms }) => ms));
  bench.say(`${HOSTS} hosts at once: the last one has staged after ${Math.round(slowest)} ms`);
  return {
    staged,
    figures: {
      ...{ hosts: HOSTS, stagedMs: summarize(staged.map(({ ms }) => ms)) },
      megabytesPerSecondTogether: megabytesPerSecond(BYTES * HOSTS, slowest),
      agentCpuMs: rounded(median(staged.map(({ cpuMs }) => cpuMs))),
      catalogCpuMsPerHost: rounded((readCpuMs(lastcall.pidOf('catalog')) - serverCpu) / HOSTS),
      agentPeakMib: summarize(staged.map(({ peakMib }) => peakMib)),
      each: staged.map(({ ms, cpuMs, peakMib }) => ({ stagedMs: rounded(ms), cpuMs, peakMib: rounded(peakMib) })),
    },
  };
}

void runBenchmark('bench:stage', measure);
