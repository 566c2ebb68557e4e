import { seededProduct, seedReleases, type Seed } from '@lastcall/catalog/seed';
import { catalogV1, commonV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { openStore } from '@lastcall/store';
import type { MetadataJson } from '@lastcall/trust';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { atMost, runBenchmark, type Bench } from './benchmark.js';
import { startLastcall, type Lastcall } from './lastcall.js';
import { rounded, summarize } from './statistics.js';

/*
 * bench:publish: one more release among thousands: how long the catalog takes to sign and publish it, and how many bytes of metadata a
 * client that has nothing yet must fetch for it.
 */

const { values: options } = parseArgs({
  options: {
    products: { type: 'string', default: '20' },
    years: { type: 'string', default: '10' },
    releases: { type: 'string', default: '50' },
    publications: { type: 'string', default: '20' },
  },
});
const SEED: Seed = {
  products: Number(options.products),
  years: Number(options.years),
  releases: Number(options.releases),
};
const PUBLICATIONS = Number(options.publications);
const GOAL_MS = 2_000;
const GOAL_BYTES = 100_000;
const NAME = 'publish';

async function measure(bench: Bench): Promise<object> {
  const dataDir = join(bench.dir, NAME);
  mkdirSync(dataDir, { recursive: true });
  const store = await openStore({ url: '', file: join(dataDir, 'catalog.db'), service: 'catalog', database: '' });
  await seedReleases(store, SEED, (n) => bench.say(`${n} releases stand there`));
  await store.close();
  const began = performance.now();
  const lastcall = await startLastcall(bench, { name: NAME });
  const firstStartMs = rounded(performance.now() - began);
  bench.say(`all of them are signed, and Lastcall is running: ${firstStartMs} ms`);
  const product = seededProduct(0);
  const publishMs: number[] = [];
  const wholeMs: number[] = [];
  for (let i = 1; i <= PUBLICATIONS; i++) {
    const { whole, publish } = await publishOne(lastcall, product, `${SEED.years}.${SEED.releases + i}.0`);
    publishMs.push(publish);
    wholeMs.push(whole);
    bench.say(
      `${i}/${PUBLICATIONS}: signed and published in ${Math.round(publish)} ms, with its upload ${Math.round(whole)} ms`,
    );
  }
  const metadata = await fetchMetadata(
    lastcall,
    `${product}/${SEED.years}.${SEED.releases + PUBLICATIONS}.0/lastcall.yaml`,
  );
  const bytes = Object.values(metadata).reduce((sum, n) => sum + n, 0);
  const whole = summarize(wholeMs);
  return {
    seed: { ...SEED, all: SEED.products * SEED.years * SEED.releases },
    firstStartMs,
    publishMs: summarize(publishMs),
    withUploadMs: whole,
    metadataBytes: metadata,
    goals: { publishMs: atMost(GOAL_MS, whole.max), metadataBytes: atMost(GOAL_BYTES, bytes) },
  };
}

async function publishOne(
  lastcall: Lastcall,
  product: string,
  version: string,
): Promise<{ whole: number; publish: number }> {
  const catalog = lastcall.client('catalog', catalogV1.CatalogServiceService);
  const file = Buffer.from(`${product} ${version}\n`);
  const sha256 = sha256Hex(file);
  const files = [{ path: 'version.txt', mode: 0o644, sizeBytes: BigInt(file.byteLength), sha256 }];
  const { SERVER, WORKSTATION } = commonV1.HostRole;
  const manifest = `product: ${product}\nversion: ${version}\ntitle: ${product}\nartifacts:\n  - { role: server, directory: a }\n  - { role: workstation, directory: b }\ncommands: {}\n`;
  const began = performance.now();
  await catalog.createRelease({
    parent: `products/${product}`,
    manifest: Buffer.from(manifest),
    artifacts: [SERVER, WORKSTATION].map((role) => ({ role, platform: 'any', files })),
    treeBlobs: [],
  });
  await request(lastcall, `blobs/${sha256}`, { method: 'PUT', body: file });
  const publishing = performance.now();
  await catalog.publishRelease({ name: `products/${product}/releases/${version}`, channel: 'stable' });
  const ended = performance.now();
  return { whole: ended - began, publish: ended - publishing };
}

async function request(lastcall: Lastcall, path: string, init: RequestInit = {}): Promise<Buffer> {
  const headers = { authorization: `Bearer ${lastcall.operatorToken}` };
  const response = await fetch(`${lastcall.catalogUrl}/${path}`, { ...init, headers });
  if (!response.ok) throw new Error(`${path} was answered with HTTP ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** What a client fetches on its way from the timestamp to a target, in bytes by file. */
async function fetchMetadata(lastcall: Lastcall, target: string): Promise<Readonly<Record<string, number>>> {
  const bytes: Record<string, number> = {};
  const read = async (name: string): Promise<MetadataJson['signed']> => {
    const body = await request(lastcall, `tuf/${name}`);
    bytes[name.replace(/^\d+\./, '')] = body.byteLength;
    return (JSON.parse(body.toString('utf8')) as MetadataJson).signed;
  };
  const metaOf = (signed: unknown) => (signed as { meta: Record<string, { version: number }> }).meta;
  const timestamp = await read('timestamp.json');
  const snapshot = metaOf(await read(`${metaOf(timestamp)['snapshot.json']?.version}.snapshot.json`));
  let role: string | undefined = 'targets';
  while (role !== undefined) {
    const signed: unknown = await read(`${snapshot[`${role}.json`]?.version}.${role}.json`);
    const { delegations, targets } = signed as TargetsPart;
    if (target in targets) return bytes;
    role = delegations?.roles.find(({ paths }) => paths.some((pattern) => matches(pattern, target)))?.name;
  }
  throw new Error(`${target} is not in the signed metadata`);
}

interface TargetsPart {
  readonly delegations?: { readonly roles: readonly { readonly name: string; readonly paths: readonly string[] }[] };
  readonly targets: Readonly<Record<string, unknown>>;
}

function matches(pattern: string, path: string): boolean {
  const part = (text: string): RegExp => new RegExp(`^${text.replaceAll(/[.+]/g, '\\$&').replaceAll('*', '.*')}$`);
  const parts = path.split('/');
  return pattern.split('/').every((text, i) => part(text).test(parts[i] ?? ''));
}

void runBenchmark('bench:publish', measure);
