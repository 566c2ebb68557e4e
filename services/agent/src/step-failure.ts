import { failure, type Failure } from '@lastcall/kernel';
import { TrustRefusal } from '@lastcall/trust/client';
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** A step did not succeed, for a reason that the report of the run will show. Ends the order. */
export class StepFailure extends Error {
  override readonly name = 'StepFailure';
  readonly failure: Failure;
  constructor(reason: string, message: string, facts: Record<string, string> = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.failure = failure(reason, message, '', facts);
  }
}

/** The agent is stopping: the order stays where it is and is continued at the next start. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  constructor() {
    super('the agent is stopping');
  }
}

export function throwIfStopping(signal: AbortSignal): void {
  if (signal.aborted) throw new Interrupted();
}

/** Free bytes for us on the file system that holds the folder. */
export type FreeBytes = (dir: string) => number;

export const statFreeBytes: FreeBytes = (dir) => {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
};

/** Refuses to begin what cannot fit. */
export function demandFreeBytes(dir: string, neededBytes: number, freeBytes: FreeBytes): void {
  const free = freeBytes(dir);
  if (free < neededBytes) throw diskFull(dir, free, neededBytes);
}

export function diskFull(dir: string, free: number, needed?: number, cause?: unknown): StepFailure {
  const need = needed === undefined ? '' : `${needed} bytes are needed and `;
  const message = `the disk that holds ${dir} is too full: ${need}${free} bytes are free; free some disk space`;
  const facts = { path: dir, free_bytes: String(free), ...(needed !== undefined && { needed_bytes: String(needed) }) };
  return new StepFailure('DISK_FULL', message, facts, { cause });
}

const NOTHING_LEFT_BYTES = 1024 * 1024;

/** A command that failed while the disk under it was full failed because of that; it may have said so in no way that we can read. */
export function orDiskFull(error: unknown, dir: string, freeBytes: FreeBytes): unknown {
  if (!(error instanceof StepFailure) || !error.failure.reason.startsWith('COMMAND_')) return error;
  const free = freeBytes(dir);
  if (free >= NOTHING_LEFT_BYTES) return error;
  const full = diskFull(dir, free, undefined, error);
  return new StepFailure(
    'DISK_FULL',
    full.message,
    { ...error.failure.facts, ...full.failure.facts },
    { cause: error },
  );
}

/** What was signed and is not believed, as the failure of a step. */
export function toFailure(refusal: TrustRefusal): StepFailure {
  const { reason, message, facts } = refusal.rejected;
  return new StepFailure(reason, message, { ...facts }, { cause: refusal.cause });
}

/** Any error as the failure of a step. A full disk may show anywhere, so it is told apart here. */
export function toStepFailure(error: unknown, fallbackDir: string, freeBytes: FreeBytes = statFreeBytes): StepFailure {
  if (error instanceof StepFailure) return error;
  if (error instanceof TrustRefusal) return toFailure(error);
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const dir = path === undefined ? fallbackDir : dirname(path);
    return diskFull(dir, freeOf(dir, fallbackDir, freeBytes), undefined, error);
  }
  if (code !== undefined && path !== undefined) {
    return new StepFailure('FILE_ERROR', `${message}`, { code, path }, { cause: error });
  }
  return new StepFailure('AGENT_ERROR', `the agent failed: ${message}`, {}, { cause: error });
}

function freeOf(dir: string, fallbackDir: string, freeBytes: FreeBytes): number {
  try {
    return freeBytes(dir);
  } catch {
    return freeBytes(fallbackDir); // The folder is gone already; the data folder is not.
  }
}
