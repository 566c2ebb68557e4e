import { DAY_MS } from '@lastcall/kernel';
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { runBenchmark, type Bench } from './benchmark.js';
import { startLastcall, type StorePlace } from './lastcall.js';
import { createSites } from './sites.js';
import { rounded } from './statistics.js';

/*
 * bench:year: how large the databases are after a year. Some runs are really made; what they have left is copied within the databases
 * until there is a part of a year, and the rest is extrapolated. Lastcall then starts on that. Embedded, because SQLite's files say what they take.
 */

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '40' },
    installations: { type: 'string', default: '1000' },
    'runs-a-year': { type: 'string', default: '64' },
    part: { type: 'string', default: '20' },
  },
});
const REAL_RUNS = Number(options.runs);
const RUNS_A_YEAR = Number(options.installations) * Number(options['runs-a-year']);
/** A twentieth of the year is written. */
const PART = Number(options.part);
const SITES = 20;
const ARCHIVE_DAYS = 7;

/** What each run adds to and what stays for years. Jobs, gates, lanes and queues are as many as jobs, installations and hosts. */
const GROWING: Readonly<Record<string, readonly string[]>> = {
  scheduler: ['runs', 'firings'],
  preflight: ['reports', 'backups'],
  installer: ['plans'],
  session: ['sheets'],
};

interface Size {
  readonly documents: number;
  readonly bytes: number;
}

type Sizes = ReadonlyMap<string, Size>;

function readSizes(stores: readonly StorePlace[]): Sizes {
  const sizes = new Map<string, Size>();
  for (const { file, service } of stores) {
    const db = new DatabaseSync(file, { readOnly: true });
    const of = (table: string, bytes: string): Size =>
      db.prepare(`SELECT count(*) AS documents, coalesce(sum(${bytes}), 0) AS bytes FROM ${table}`).get() as never;
    for (const name of GROWING[service] ?? []) sizes.set(`${service}.${name}`, of(`c_${name}`, 'length(data)'));
    sizes.set(`${service}.archive`, of('archive', 'length(data)'));
    db.close();
  }
  return sizes;
}

/** Of each collection, what one run adds. */
function perRun(before: Sizes, after: Sizes): Record<string, Size> {
  return Object.fromEntries(
    [...after].map(([name, { documents, bytes }]) => {
      const was = before.get(name) ?? { documents: 0, bytes: 0 };
      const share = (n: number): number => rounded(n / REAL_RUNS);
      return [name, { documents: share(documents - was.documents), bytes: share(bytes - was.bytes) }];
    }),
  );
}

/** Copies rows with their indexes until a part of a year is there; answers how many bytes the file has grown by. */
function grow({ file, service }: StorePlace, bench: Bench): number {
  const before = statSync(file).size;
  const db = new DatabaseSync(file);
  const copies = Math.round(RUNS_A_YEAR / PART / REAL_RUNS);
  for (const name of GROWING[service] ?? []) {
    db.exec('BEGIN');
    const columns = (db.prepare(`SELECT name FROM pragma_table_info('c_${name}')`).all() as { name: string }[])
      .map((column) => column.name)
      .filter((column) => column !== 'id');
    db.exec(`CREATE TEMP TABLE original AS SELECT * FROM c_${name}`);
    const copy = db.prepare(
      `INSERT INTO c_${name} (id, ${columns.join()}) SELECT id || '-' || ?, ${columns.join()} FROM original`,
    );
    for (let i = 1; i < copies; i++) copy.run(i);
    db.exec('DROP TABLE original; COMMIT');
    bench.say(`${service}.${name}: ${copies} times`);
  }
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  return statSync(file).size - before;
}

const mib = (bytes: number): number => rounded(bytes / 2 ** 20);

void runBenchmark('bench:year', async (bench) => {
  const began = Date.now();
  const first = await startLastcall(bench, { name: 'year' });
  const startEmptyMs = Date.now() - began;
  const sites = await createSites(bench, first, SITES);
  await sites.publishNext();
  const before = readSizes(first.stores);
  const start = { condition: { $case: 'immediate' as const, value: {} } };
  for (let done = 0; done < REAL_RUNS; done++) {
    if (done > 0 && done % SITES === 0) await sites.publishNext();
    await (await sites.save(sites.installations[done % SITES] ?? '', start)).ended();
  }
  bench.say(`${REAL_RUNS} runs were made`);
  await first.stop();
  const ofRun = perRun(before, readSizes(first.stores));
  const grown = first.stores.map((store) => [store.service, grow(store, bench)] as const);
  const again = Date.now();
  await startLastcall(bench, { name: 'year' });
  const startMs = Date.now() - again;
  const archived = Object.entries(ofRun).filter(([name]) => name.endsWith('.archive'));
  const archiveBytes = archived.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  return {
    installations: Number(options.installations),
    runsAYear: RUNS_A_YEAR,
    written: `1/${PART}`,
    perRun: ofRun,
    yearMib: Object.fromEntries(grown.map(([service, bytes]) => [service, mib(bytes * PART)])),
    yearTotalMib: mib(grown.reduce((sum, [, bytes]) => sum + bytes, 0) * PART),
    startEmptyMs,
    startMs,
    archiveMib: mib((archiveBytes * RUNS_A_YEAR * ARCHIVE_DAYS * DAY_MS) / (365 * DAY_MS)),
  };
});
