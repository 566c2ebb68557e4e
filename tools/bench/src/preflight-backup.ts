import { catalogV1, formatName, preflightV1 } from '@lastcall/contracts';
import { until, type Child } from '@lastcall/testkit';
import { randomFillSync } from 'node:crypto';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { atLeast, atMost, type Bench, type Goal } from './benchmark.js';
import type { Lastcall } from './lastcall.js';
import { readCpuMs, readMemory } from './process-usage.js';
import { waitForDisk } from './stage-peers.js';
import { addHost, parse, publish, startAgent } from './stage-site.js';
import { median, ratio, rounded, summarize } from './statistics.js';

/*
 * The real agent takes backups of the same files, by a release whose backup command copies them. Compared is the step in which the agent makes a restore point of what was
 * written (read, hashed, packed, compressed, hashed again, on the disk, renamed, the files removed) with tar and zstd on the same files, as they end and as their bytes are on the disk.
 */

const PRODUCT = 'ledger';
const GOALS = { toTarZstd: 0.8, agentMib: 150 } as const;
const TIMEOUT_MS = 10 * 60_000;
const FILE_BYTES = { small: 20_000, middle: 400_000, large: 30_000_000 } as const;

const APP = `
const { cpSync, statSync } = require('node:fs');
const { LASTCALL_BACKUP_DIR: dir, BENCH_SOURCE: source } = process.env;
if (process.argv[2] === 'backup') cpSync(source, dir, { recursive: true });
else statSync(dir);
`;

const MANIFEST = `product: ${PRODUCT}
version: 1.0.0
title: Ledger
artifacts:
  - { role: server, directory: build }
commands:
  server:
    backup: { run: [node, app.js, backup], timeout: 10m }
    verifyBackup: { run: [node, app.js, verify], timeout: 10m }
    restore: { run: [node, app.js, restore], timeout: 10m }
`;

interface Round {
  readonly agentMs: number;
  readonly tarZstdMs: number;
  readonly tarZstdOnDiskMs: number;
}

export async function measureBackups(bench: Bench, lastcall: Lastcall, bytes: number, rounds: number) {
  demandSpace(bench, bytes, rounds);
  const source = join(bench.dir, 'source');
  const files = writeFiles(source, bytes);
  bench.say(`${files} files of together ${rounded(bytes / 1e6)} MB, half of which cannot be compressed`);
  const peer = versionOfZstd();
  if (peer === '') bench.say('zstd is not installed: measured without it (apt-get install zstd)');
  const host = await startHost(bench, lastcall, source);
  const done: Round[] = [];
  for (let i = 1; i <= rounds; i++) {
    const others = peer === '' ? { tarZstdMs: 0, tarZstdOnDiskMs: 0 } : await packByTar(bench, source);
    const agentMs = await takeBackup(bench, lastcall, host);
    done.push({ agentMs, ...others });
    const beside = `tar | zstd ${Math.round(others.tarZstdMs)} ms, ${Math.round(others.tarZstdOnDiskMs)} ms on the disk`;
    bench.say(`${i}/${rounds}: restore point in ${Math.round(agentMs)} ms; ${beside}`);
  }
  const { peakMib } = readMemory(host.agent.pid);
  return {
    figures: {
      ...figuresOf(done, bytes),
      peer,
      files,
      agentPeakMib: rounded(peakMib),
      agentCpuMs: readCpuMs(host.agent.pid),
    },
    goals: goalsOf(done, peakMib, peer !== ''),
  };
}

function figuresOf(rounds: readonly Round[], bytes: number) {
  const ms = rounds.map((r) => r.agentMs);
  return {
    ...{ bytes, agentMs: summarize(ms), megabytesPerSecond: rounded(bytes / 1e3 / median(ms)) },
    tarZstdMs: summarize(rounds.map((r) => r.tarZstdMs)),
    tarZstdOnDiskMs: summarize(rounds.map((r) => r.tarZstdOnDiskMs)),
    ratiosByRound: rounds.map((r) => ratio(r.tarZstdMs, r.agentMs)),
    ratiosOnDiskByRound: rounds.map((r) => ratio(r.tarZstdOnDiskMs, r.agentMs)),
  };
}

function goalsOf(rounds: readonly Round[], peakMib: number, hasPeer: boolean): Readonly<Record<string, Goal>> {
  const toTarZstd = median(rounds.map((r) => ratio(r.tarZstdOnDiskMs, r.agentMs)));
  return {
    ...(hasPeer && { ratioToTarZstdOnDisk: atLeast(GOALS.toTarZstd, toTarZstd) }),
    agentPeakMib: atMost(GOALS.agentMib, Math.round(peakMib)),
  };
}

/** The files, their copy, an archive of each round and one of tar. */
function demandSpace(bench: Bench, bytes: number, rounds: number): void {
  const { bavail, bsize } = statfsSync(bench.dir);
  const needed = bytes * (4 + rounds);
  if (bavail * bsize > needed) return;
  throw new Error(`${bench.dir} needs ${rounded(needed / 1e9)} GB free; set TMPDIR, or measure less (--megabytes)`);
}

/** Many small ones, some large; every second one is random, the others are words. Answers how many. */
function writeFiles(dir: string, bytes: number): number {
  const words = wordsOf(16e6);
  let written = 0;
  let count = 0;
  for (; written < bytes; count++) {
    const kind = count % 64 === 0 ? 'large' : count % 8 === 0 ? 'middle' : 'small';
    const size = Math.min(FILE_BYTES[kind], bytes - written);
    const folder = join(dir, `part-${count % 50}`);
    mkdirSync(folder, { recursive: true });
    const from = (count * 7_919) % (words.length - Math.min(size, words.length - 1));
    // The large ones come by turns.
    const isRandom = kind === 'large' ? count % 128 === 0 : count % 2 === 0;
    const data = isRandom ? randomFillSync(Buffer.allocUnsafe(size)) : repeated(words, from, size);
    writeFileSync(join(folder, `file-${count}`), data);
    written += size;
  }
  return count;
}

function repeated(words: Buffer, from: number, size: number): Buffer {
  const data = Buffer.allocUnsafe(size);
  for (let at = 0; at < size;) at += words.copy(data, at, at === 0 ? from : 0);
  return data;
}

function wordsOf(bytes: number): Buffer {
  const list = Array.from({ length: 4_000 }, () => randomFillSync(Buffer.alloc(5)).toString('hex'));
  const text: string[] = [];
  const picks = randomFillSync(new Uint16Array(Math.ceil(bytes / 11)));
  for (const pick of picks) text.push(list[pick % list.length] ?? '');
  return Buffer.from(text.join(' '));
}

function versionOfZstd(): string {
  return /v[\d.]+/.exec(spawnSync('zstd', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[0] ?? '';
}

async function packByTar(bench: Bench, source: string): Promise<Omit<Round, 'agentMs'>> {
  const out = join(bench.dir, 'peer.tar.zst');
  await waitForDisk(bench.dir);
  const began = performance.now();
  await promisify(execFile)('sh', ['-c', 'tar -C "$1" -cf - . | zstd -q -o "$2"', 'sh', source, out]);
  const tarZstdMs = performance.now() - began;
  await waitForDisk(bench.dir);
  const tarZstdOnDiskMs = performance.now() - began;
  if (statSync(out).size === 0) throw new Error('tar | zstd has written nothing');
  rmSync(out);
  return { tarZstdMs, tarZstdOnDiskMs };
}

interface BackupHost {
  readonly agent: Child;
  readonly installation: string;
}

async function startHost(bench: Bench, lastcall: Lastcall, source: string): Promise<BackupHost> {
  const release = join(bench.dir, 'ledger-release');
  mkdirSync(join(release, 'build'), { recursive: true });
  writeFileSync(join(release, 'build', 'app.js'), APP);
  writeFileSync(join(release, 'lastcall.yaml'), MANIFEST);
  const catalog = lastcall.client('catalog', catalogV1.CatalogServiceService);
  await catalog.createProduct(
    catalogV1.CreateProductRequest.fromPartial({ productId: PRODUCT, product: { title: 'Ledger' } }),
  );
  await publish(lastcall, release);
  const more = { product: PRODUCT, join: ['--env', `BENCH_SOURCE=${source}`] };
  const { dataDir } = await addHost(bench, lastcall, PRODUCT, more);
  const install = startAgent('install', '--data', dataDir, '--version', '1.0.0');
  if ((await install.exited).code !== 0) throw new Error(install.lines.join('\n'));
  const agent = startAgent('run', '--data', dataDir);
  bench.onEnd(() => agent.stop());
  await agent.until(/"connected"/, 30_000);
  return { agent, installation: PRODUCT };
}

/** Answers how long the agent took for the restore point after the command had written. */
async function takeBackup(bench: Bench, lastcall: Lastcall, { agent, installation }: BackupHost): Promise<number> {
  let sealMs = 0;
  agent.onLine((line) => {
    const { event, step, durationMs } = parse(line);
    if (event === 'step ended' && step === 'seal') sealMs = durationMs ?? 0;
  });
  await waitForDisk(bench.dir);
  const preflight = lastcall.client('preflight', preflightV1.PreflightServiceService);
  const { backup } = await preflight.createBackup({ parent: formatName('installation', { installation }) });
  const name = backup?.name ?? '';
  let last = backup;
  await until(
    async () => {
      last = (await preflight.getBackup({ name })).backup;
      return last?.pending === false;
    },
    'the backup',
    TIMEOUT_MS,
  );
  if (!last?.verified)
    throw new Error(`no backup was made: ${last?.failure?.message} ${last?.failure?.facts['output']}`);
  return sealMs;
}
