import { buildReleases } from '@lastcall/sample-app';
import { findFreePorts } from '@lastcall/testkit';
import { mkdirSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { brokenUpdate, goodUpdate, keepOpen, lateWorkstation, openSite } from './acts.js';
import type { Play } from './play.js';
import type { Check } from './evidence.js';
import { printChecks } from './report.js';
import { singleSeat } from './single-user.js';
import { INSTALLATION, stopEncore, type Endpoints } from './site.js';
import { openOthers, waveStopped } from './wave.js';
import { webSeat } from './web-seat.js';
import { createStage, type Stage } from './stage.js';
import { reachElsewhere, startDistributed, startEmbedded, type Backends } from './start-site.js';

/*
 * npm run demo [-- --keep] [--distributed [--nats URL --mongodb URL]] [--single-user]
 *              [--address HOST:PORT --catalog-url URL --token-file FILE]      on a Lastcall that runs already
 */

const { values: options } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    distributed: { type: 'boolean', default: false },
    'single-user': { type: 'boolean', default: false },
    nats: { type: 'string', default: process.env['LASTCALL_TEST_NATS_URL'] ?? '' },
    address: { type: 'string', default: '' },
    'catalog-url': { type: 'string', default: '' },
    'token-file': { type: 'string', default: '' },
    mongodb: { type: 'string', default: process.env['LASTCALL_TEST_MONGODB_URL'] ?? '' },
  },
});

async function main(signal: AbortSignal): Promise<boolean> {
  const ports = await findFreePorts(3);
  const stage = createStage({
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
    LASTCALL_DATA_DIR: '',
    FORCE_COLOR: '0',
    // Encore does no harm, and a container often has no other user.
    LASTCALL_AGENT_ALLOW_ROOT: '1',
    LASTCALL_INSTALLATION: options['single-user'] ? '' : INSTALLATION,
  });
  stage.onClear(() => stopEncore(stage));
  const interrupted = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true }),
  );
  try {
    return await Promise.race([play(stage, ports, signal), interrupted]);
  } finally {
    await stage.clear(false);
  }
}

async function play(stage: Stage, ports: readonly number[], signal: AbortSignal): Promise<boolean> {
  stage.act('Lastcall starts');
  const releases = await buildReleases(join(stage.dir, 'releases'));
  const dataDir = join(stage.dir, 'lastcall-data');
  mkdirSync(dataDir);
  const endpoints = await start(stage, dataDir);
  const [encorePort = 0, ...otherPorts] = ports;
  const clientTokenFile = join(stage.dir, 'client.token');
  const scene: Play = { stage, releases, site: { endpoints, encorePort, clientTokenFile } };
  const tables: [string, Check[]][] = [];
  if (options['single-user']) {
    tables.push(['A single seat was updated', await singleSeat(scene)]);
    tables.push(['A seat without a server was updated, and came back', await webSeat(scene)]);
  } else {
    const opened = await openSite(scene);
    tables.push(['The update to 11.1.0', await goodUpdate(scene, opened)]);
    tables.push(['A workstation that was switched off', await lateWorkstation(scene)]);
    await openOthers(scene, otherPorts);
    tables.push(['The broken 11.2.0, rolled back', await brokenUpdate(scene, opened.users)]);
    tables.push(['The wave of 11.2.0 through three installations', await waveStopped(scene)]);
  }
  stage.act('What is on disk, in the database and in the logs of the clients');
  const good = tables.map(([title, checks]) => printChecks(title, checks)).every(Boolean);
  console.log(good ? '\nAll checks hold.' : '\nNot all checks hold.');
  if (options.keep) await keepOpen(stage, signal);
  return good;
}

function start(stage: Stage, dataDir: string): Promise<Endpoints> | Endpoints {
  const { address, 'catalog-url': catalogUrl, 'token-file': tokenFile } = options;
  const elsewhere = { address, catalogUrl, tokenFile: resolve(tokenFile) };
  if (address !== '' && catalogUrl !== '' && tokenFile !== '') return reachElsewhere(dataDir, elsewhere);
  if (address !== '' || catalogUrl !== '' || tokenFile !== '') {
    console.error('--address, --catalog-url and --token-file belong together');
    process.exit(2);
  }
  return options.distributed ? startDistributed(stage, dataDir, backends()) : startEmbedded(stage, dataDir);
}

function backends(): Backends {
  if (options.nats !== '' && options.mongodb !== '') return { nats: options.nats, mongodb: options.mongodb };
  console.error('--distributed needs NATS and MongoDB: --nats nats://host:4222 --mongodb mongodb://host:27017');
  process.exit(2);
}

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort());
main(interrupt.signal).then(
  (good) => process.exit(good ? 0 : 1),
  (error: unknown) => {
    if (!interrupt.signal.aborted) console.error(error instanceof Error ? error.message : error);
    process.exit(interrupt.signal.aborted ? 130 : 1);
  },
);
