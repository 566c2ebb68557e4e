import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { atMost, runBenchmark, type Bench } from './benchmark.js';
import { LASTCALL, startNode } from './lastcall.js';
import { readMemory, type ProcessMemory } from './process-usage.js';
import { median, ratio, rounded, summarize } from './statistics.js';

/*
 * bench:start: `lastcall up` from exec to ready, on a new data folder (keys and databases are made) and on one that is there, and the
 * memory of the process. The floor is a Node that does nothing.
 */

const RUNS = 10;
const GOAL_START_MS = 1_500;
const GOAL_MIB = 150;

interface Start {
  readonly ms: number;
  readonly memory: ProcessMemory;
}

async function startOnce(dataDir: string): Promise<Start> {
  const began = performance.now();
  const up = startNode([LASTCALL, 'up', '--data', dataDir, '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0']);
  await up.until(/is running/, 60_000);
  const ms = performance.now() - began;
  const memory = readMemory(up.pid);
  await up.stop();
  return { ms, memory };
}

async function bareNodeOnce(): Promise<number> {
  const began = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - began;
}

async function bareNodeMib(): Promise<number> {
  const bare = startNode(['-e', 'console.log("up"); process.stdin.resume()']);
  await bare.until(/up/);
  const { residentMib } = readMemory(bare.pid);
  await bare.stop();
  return residentMib;
}

async function measure(bench: Bench): Promise<object> {
  const first: Start[] = [];
  const again: Start[] = [];
  const bare: number[] = [];
  // Programs and files come into the page cache; nobody measures a cold disk by chance.
  await startOnce(join(bench.dir, 'warm-up'));
  const bareMib = await bareNodeMib();
  for (let i = 1; i <= RUNS; i++) {
    const dataDir = join(bench.dir, `run-${i}`);
    mkdirSync(dataDir);
    bare.push(await bareNodeOnce());
    first.push(await startOnce(dataDir));
    again.push(await startOnce(dataDir));
    const [a, b, c] = [first, again]
      .map((list) => Math.round(list.at(-1)?.ms ?? 0))
      .concat(Math.round(bare.at(-1) ?? 0));
    bench.say(`${i}/${RUNS}: new folder ${a} ms, folder that is there ${b} ms, bare node ${c} ms`);
  }
  const all = [...first, ...again];
  const firstMs = summarize(first.map(({ ms }) => ms));
  const againMs = summarize(again.map(({ ms }) => ms));
  const bareMs = summarize(bare);
  const resident = summarize(all.map(({ memory }) => memory.residentMib));
  return {
    startNewFolderMs: firstMs,
    startAgainMs: againMs,
    bareNodeMs: bareMs,
    ratioToBareNode: { newFolder: ratio(firstMs.p50, bareMs.p50), again: ratio(againMs.p50, bareMs.p50) },
    residentWhenReadyMib: resident,
    bareNodeMib: rounded(bareMib),
    residentRatioToBareNode: ratio(resident.p50, bareMib),
    peakMib: summarize(all.map(({ memory }) => memory.peakMib)),
    goals: {
      startMs: atMost(GOAL_START_MS, rounded(median(all.map(({ ms }) => ms)))),
      residentMib: atMost(GOAL_MIB, resident.p50),
    },
  };
}

void runBenchmark('bench:start', measure);
