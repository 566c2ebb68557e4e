import { ROOT, type Bench } from '@lastcall/bench';
import { startChild, type Child } from '@lastcall/testkit';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createStations, type Stations } from './stations.js';

/*
 * k6 as a program beside this one: runs one script, says how far its clients are, and leaves a summary. It cannot stay: `timeout` ends it,
 * whatever hangs in it, and it goes with this program.
 */

export interface K6Run {
  readonly stations: Stations;
  /** Resolves when it has ended, with what it left: a summary, or nothing. It has so long before it is told to end. */
  end(patienceMs: number): Promise<string | undefined>;
}

export interface K6Options {
  readonly bench: Bench;
  /** Name of the script. */
  readonly script: string;
  /** What the script reads; see `lib/shape.js`. */
  readonly load: Readonly<Record<string, unknown>> & { readonly limitSeconds: number };
  /** Words before the program. */
  readonly under: readonly string[];
}

export const K6_MISSING =
  'k6 is not on the PATH. It is one program: https://grafana.com/docs/k6/latest/set-up/install-k6/, ' +
  'or, with Go: go install go.k6.io/k6@v1.8.1';

/** The first line of what it says about itself; undefined: it is not there. */
export function findK6(): string | undefined {
  const { status, stdout } = spawnSync('k6', ['version'], { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0] : undefined;
}

const SCRIPTS = join(ROOT, 'tools/load/k6');
/** Beyond its own limit, for the summary. */
const SUMMARY_S = 20;
const KILL_S = 10;
/** Lines of warnings and errors that are passed on; thousands of clients may have the same one. */
const MAX_COMPLAINTS = 10;
const FLAGS = ['--quiet', '--no-usage-report', '--address', '', '--log-format', 'json', '--summary-mode', 'compact'];

export function startK6({ bench, script, load, under }: K6Options): K6Run {
  const summaryFile = join(bench.dir, `k6-${script}-${process.hrtime.bigint()}.json`);
  // By itself `timeout` tells the whole group to end, k6 would be told twice, and end at once without a summary.
  const seconds = String(load.limitSeconds + SUMMARY_S);
  const limit = ['setsid', 'timeout', '--foreground', '-k', String(KILL_S), seconds];
  const words = [...under, ...limit, 'k6', 'run', ...FLAGS, join(SCRIPTS, `${script}.js`)];
  const [command = '', ...args] = words;
  const child = startChild(command, args, {
    // Nothing is fetched from anywhere.
    K6_AUTO_EXTENSION_RESOLUTION: 'false',
    LASTCALL_LOAD: JSON.stringify({ ...load, summaryFile }),
  });
  const stations = createStations();
  listen(child, stations, (text) => bench.say(`k6: ${text}`));
  const killAll = killWithThisProgram(child);
  const exited = child.exited.then(({ code, signal }) => {
    killAll();
    stations.close(`k6 ended with ${signal ?? code}`);
  });
  bench.onEnd(() => stop(child));
  return {
    stations,
    end: async (patienceMs) => {
      const late = setTimeout(() => child.kill('SIGINT'), patienceMs);
      await exited;
      clearTimeout(late);
      return existsSync(summaryFile) ? readFileSync(summaryFile, 'utf8') : undefined;
    },
  };
}

function stop(child: Child): Promise<unknown> {
  return child.stop((KILL_S + 5) * 1_000);
}

/** It leads a group of its own, which would live on when only its leader is killed. */
function killWithThisProgram({ pid }: Child): () => void {
  const kill = (): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has gone already, as it should.
    }
  };
  process.once('exit', kill);
  return () => {
    process.off('exit', kill);
    kill();
  };
}

interface LogLine {
  readonly level: string;
  readonly msg: string;
}

function listen(child: Child, stations: Stations, complain: (text: string) => void): void {
  let complaints = 0;
  child.onLine((line) => {
    const { level, msg } = readLine(line);
    if (stations.hear(msg) || level === 'info') return;
    // A broken threshold is told with the others.
    if (msg.includes('have been crossed') || ++complaints > MAX_COMPLAINTS) return;
    complain(complaints === MAX_COMPLAINTS ? `${msg} (and more)` : msg);
  });
}

function readLine(line: string): LogLine {
  if (!line.startsWith('{')) return { level: line.trim() === '' ? 'info' : 'error', msg: line };
  return JSON.parse(line) as LogLine;
}
