import { readFileSync } from 'node:fs';

/** Of a process on Linux, MiB. */
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
