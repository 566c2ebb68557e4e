import { Defect, Fault } from '@lastcall/kernel';
import { MongoError, MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb';
import { DuplicateKey, InvalidPageToken } from '../port.js';

/*
 * What the driver and the server say, sorted by what it means for a write: another one holds the key, others write the
 * same document, the server was not reached, or the answer was lost and nobody knows.
 */

const DUPLICATE_KEY = 11_000;
/** WriteConflict, and LockTimeout and LockFailed under load. */
const CONTENTION_CODES: readonly (number | string)[] = [112, 24, 107];
/** What stands in for MongoDB on PostgreSQL answers to contended keys with errors of its own (codes 1 and 16908292). */
const CONTENTION_TEXT = /deadlock detected|exclusion constraint|could not serialize|concurrent(ly)? update/i;
/** A server that starts, stops, steps down or lacks its majority: https://www.mongodb.com/docs/manual/reference/error-codes/ */
const UNAVAILABLE_CODES: readonly (number | string)[] = [
  6, 7, 43, 64, 89, 91, 100, 133, 134, 175, 189, 202, 234, 237, 262, 384, 9001, 10058, 10107, 11600, 11602, 13435,
  13436,
];
/** While the client is being opened anew (`stuck-heartbeats.ts`); by name, because not all of these classes are exported. */
const CLOSED: readonly string[] = [
  'MongoNotConnectedError',
  'MongoTopologyClosedError',
  'MongoServerClosedError',
  'MongoClientClosedError',
  'MongoPoolClosedError',
];
/** PostgreSQL behind the stand-in starts or stops. */
const UNAVAILABLE_TEXT =
  /connection (refused|reset|closed)|shutting down|starting up|terminating connection|failed to connect|broken pipe/i;

/** Thrown when another write came first; the attempt begins again. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

/** Name of the index that holds the key already. */
export function duplicateIndex(error: unknown): string | undefined {
  if (!(error instanceof MongoServerError) || error.code !== DUPLICATE_KEY) return undefined;
  return duplicateIndexIn(error.message);
}

export function duplicateIndexIn(message: string): string {
  return (
    /index: ([A-Za-z_]+)|Index '([A-Za-z_]+)'/
      .exec(message)
      ?.slice(1)
      .find((name) => name !== undefined) ?? ''
  );
}

export function isContention(error: unknown): boolean {
  if (error instanceof Conflict) return true;
  if (!(error instanceof MongoServerError)) return false;
  return CONTENTION_CODES.includes(error.code ?? 0) || CONTENTION_TEXT.test(error.message);
}

/** The same call may succeed as soon as the server is back. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError) return true;
  if (!(error instanceof MongoError)) return false;
  if (CLOSED.includes(error.name)) return true;
  if (error.hasErrorLabel('RetryableWriteError') || error.hasErrorLabel('ResetPool')) return true;
  if (!(error instanceof MongoServerError)) return false;
  return UNAVAILABLE_CODES.includes(error.code ?? 0) || UNAVAILABLE_TEXT.test(error.message);
}

/** Whether the write that failed so may have been carried out all the same. */
export function isUnsure(error: unknown): boolean {
  return isUnavailable(error) && !(error instanceof MongoServerSelectionError);
}

/** Everything that is not said in the port's words becomes a Fault that names what was tried. */
export function toFault(what: string, cause: unknown): Error {
  const ours = [Fault, Defect, DuplicateKey, InvalidPageToken].some((kind) => cause instanceof kind);
  if (ours && cause instanceof Error) return cause;
  if (cause instanceof Conflict) {
    return new Fault(`MongoDB: ${what}: others write the same document all the time; try again`, { cause });
  }
  if (!(cause instanceof MongoError)) return cause instanceof Error ? cause : new Defect(String(cause));
  const advice = isUnavailable(cause) ? '; see that the server runs and can be reached' : '';
  return new Fault(`MongoDB: ${what}: ${cause.message}${advice}`, { cause });
}
