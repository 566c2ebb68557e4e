import { MongoBackend } from '@agendajs/mongo-backend';
import { dropMongoDatabase, findFreePorts, startChild } from '@lastcall/testkit';
import { Agenda } from 'agenda';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PgBoss } from 'pg-boss';
import type { Bench } from './benchmark.js';

/*
 * What else a user would take for jobs that are due: pg-boss on PostgreSQL, Agenda on the MongoDB that we use. Both are asked for the same: so many
 * jobs are due now, each is to be taken once, and that is to be on record.
 */

/** Jobs a second; undefined with the reason when the peer is not there. */
export type PeerResult = { readonly perSecond: number } | { readonly skipped: string };

const BATCH = 100;
const WORKERS = 16;
const TIMEOUT_MS = 120_000;

export async function measurePgBoss(bench: Bench, jobs: number): Promise<PeerResult> {
  const connectionString = await postgresUrl(bench);
  if (connectionString === undefined)
    return { skipped: 'no postgres on the PATH (Debian: apt-get install postgresql)' };
  const boss = new PgBoss(connectionString);
  boss.on('error', (error) => bench.say(`pg-boss: ${String(error)}`));
  await boss.start();
  bench.onEnd(() => boss.stop({ graceful: false }));
  await boss.createQueue('nightly');
  for (let from = 0; from < jobs; from += 1_000) {
    await boss.insert(
      'nightly',
      Array.from({ length: 1_000 }, (_, n) => ({ data: { site: from + n } })),
    );
  }
  return timed(bench, 'pg-boss', jobs, (taken) =>
    boss.work('nightly', { batchSize: BATCH, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }, async (batch) =>
      taken(batch.length),
    ),
  );
}

export async function measureAgenda(bench: Bench, mongodb: string, jobs: number): Promise<PeerResult> {
  const database = `bench_agenda_${process.pid}`;
  const backend = new MongoBackend({ address: new URL(database, mongodb).href });
  const agenda = new Agenda({ backend, processEvery: 200, maxConcurrency: BATCH, defaultConcurrency: BATCH });
  bench.onEnd(async () => {
    await agenda.stop();
    await backend.disconnect();
    await dropMongoDatabase(mongodb, database);
  });
  let taken: (count: number) => void = () => undefined;
  agenda.define('nightly', async () => taken(1));
  await agenda.ready;
  const due = new Date();
  const sites = Array.from({ length: jobs }, (_, n) => n).values();
  const saveAll = async (): Promise<void> => {
    for (const site of sites) await agenda.schedule(due, 'nightly', { site });
  };
  await Promise.all(Array.from({ length: WORKERS }, saveAll));
  return timed(bench, 'Agenda', jobs, async (count) => {
    taken = count;
    await agenda.start();
  });
}

async function timed(
  bench: Bench,
  name: string,
  jobs: number,
  begin: (taken: (count: number) => void) => Promise<unknown>,
): Promise<PeerResult> {
  bench.say(`${name}: ${jobs} jobs are saved`);
  const from = performance.now();
  let done = 0;
  const all = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name}: ${done} of ${jobs} in time`)), TIMEOUT_MS);
    void begin((count) => {
      done += count;
      if (done < jobs) return;
      clearTimeout(timer);
      resolve();
    }).catch(reject);
  });
  await all;
  const perSecond = Math.round(jobs / ((performance.now() - from) / 1_000));
  bench.say(`${name}: ${perSecond} jobs a second`);
  return { perSecond };
}

/** PostgreSQL of this benchmark's own, which does not run as root. */
async function postgresUrl(bench: Bench): Promise<string | undefined> {
  const bin = postgresFolder();
  if (bin === undefined) return undefined;
  // Not within the benchmark's own folder, which nobody else may enter.
  const data = mkdtempSync(join(tmpdir(), 'lastcall-bench-postgres-'));
  bench.onEnd(() => rmSync(data, { recursive: true }));
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  if (isRoot) chownSync(data, idOf('-u'), idOf('-g'));
  const make = ['-D', data, '-U', 'bench', '--auth=trust', '--no-instructions', '--locale=C.UTF-8'];
  execFileSync(join(bin, 'initdb'), make, { ...owner, cwd: '/', stdio: 'ignore' });
  const [port = 0] = await findFreePorts(1);
  const args = ['-D', data, '-p', String(port), '-k', data, '-h', '127.0.0.1'];
  const server = isRoot
    ? startChild('setpriv', [
        `--reuid=${idOf('-u')}`,
        `--regid=${idOf('-g')}`,
        '--clear-groups',
        join(bin, 'postgres'),
        ...args,
      ])
    : startChild(join(bin, 'postgres'), args);
  bench.onEnd(() => server.stop());
  await server.until(/ready to accept connections/);
  return `postgres://bench@127.0.0.1:${port}/postgres`;
}

function idOf(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
}

/** `pg_config` knows where Debian has put the server's programs. */
function postgresFolder(): string | undefined {
  try {
    return execFileSync('sh', ['-c', 'dirname "$(readlink -f "$(command -v postgres)")"'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
