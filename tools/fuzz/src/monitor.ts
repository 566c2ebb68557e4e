import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/*
 * Inside a process that is fuzzed: how long its event loop stood still and how much memory it holds. `measure N` on stdin is
 * answered by `measured N {…}` on stdout.
 */

export interface Measured {
  /** Live bytes behind a collection: heap, buffers. */
  readonly memoryBytes: number;
  readonly rssBytes: number;
  /** The longest that a timer was late since the measurement before. */
  readonly stallMs: number;
  /** The longest of these times in which this process had the processor itself; others on the machine are not in it. */
  readonly ownStallMs: number;
}

const TICK_MS = 10;

export function startMonitor(): void {
  const delays = monitorEventLoopDelay({ resolution: TICK_MS });
  delays.enable();
  let ownStallMs = 0;
  let at = performance.now();
  let cpu = process.cpuUsage();
  setInterval(() => {
    const late = performance.now() - at - TICK_MS;
    const used = process.cpuUsage(cpu);
    ownStallMs = Math.max(ownStallMs, Math.min(late, (used.user + used.system) / 1_000));
    at = performance.now();
    cpu = process.cpuUsage();
  }, TICK_MS).unref();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  createInterface({ input: process.stdin }).on('line', (line) => {
    const number = /^measure (\d+)$/.exec(line)?.[1];
    if (number === undefined) return;
    const stalls = { stallMs: Math.round(delays.max / 1e6), ownStallMs: Math.round(ownStallMs) };
    collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    const measured: Measured = { memoryBytes: heapUsed + external, rssBytes: rss, ...stalls };
    process.stdout.write(`measured ${number} ${JSON.stringify(measured)}\n`);
    delays.reset();
    ownStallMs = 0;
    at = performance.now();
    cpu = process.cpuUsage();
  });
}
