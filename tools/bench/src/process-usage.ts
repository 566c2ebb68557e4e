import { readFileSync } from 'node:fs';

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
