import { readdirSync, readFileSync } from 'node:fs';

/* What a process uses, on Linux, read from /proc. */

/** MiB. */
export interface ProcessMemory {
  /** Resident now. */
  readonly residentMib: number;
  /** The most that it ever was. */
  readonly peakMib: number;
}

export function readMemory(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return { residentMib: kibOf(status, 'VmRSS') / 1024, peakMib: kibOf(status, 'VmHWM') / 1024 };
}

function kibOf(status: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  if (!found) throw new Error(`/proc/…/status has no ${field}`);
  return Number(found[1]);
}

/** The kernel counts in ticks of 10 ms on every Linux that Node runs on (`getconf CLK_TCK`). */
const TICK_MS = 10;

/** Time on a processor since its start, its own and the kernel's for it. Unlike latency, other programs do not lengthen it much. */
export function readCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in parentheses, may have blanks; utime and stime are the 14th and 15th field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Milliseconds, to the microsecond: what ticks of 10 ms are too coarse for. */
export interface Cpu {
  readonly usedMs: number;
  /** Ready to run, and another thread had the processor: one of its own, or of another program. */
  readonly waitedMs: number;
}

/** Of the threads that the process has now. Throws where the kernel does not count it (CONFIG_SCHED_INFO). */
export function readCpu(pid: number): Cpu {
  const sum = { usedMs: 0, waitedMs: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [used, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    sum.usedMs += Number(used) / 1e6;
    sum.waitedMs += Number(waited) / 1e6;
  }
  return sum;
}
