export { atMost, runBenchmark, type Bench, type Goal } from './benchmark.js';
export {
  LASTCALL,
  ROOT,
  SERVICES,
  startLastcall,
  startNode,
  type Backends,
  type Lastcall,
  type LastcallOptions,
} from './lastcall.js';
export { addManyUsers } from './many-users.js';
export { readCpu, readCpuMs, readMemory, type Cpu, type ProcessMemory } from './process-usage.js';
export { median, percentile, ratio, rounded, summarize, type Summary } from './statistics.js';
