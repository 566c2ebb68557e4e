import { Fault } from '@lastcall/kernel';

/*
 * What SQLite says, in words that tell an operator what to do. Primary result codes: https://sqlite.org/rescode.html
 */

interface SqliteError extends Error {
  /** Extended result code; the low byte is the primary one. */
  readonly errcode: number;
}

const CONSTRAINT = 19;

export function isSqliteError(error: unknown): error is SqliteError {
  // Not by its class: a test runner has classes of its own.
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === 'ERR_SQLITE_ERROR';
}

/** Columns of the unique index that refused a row, if that is what the error says. */
export function violatedColumns(error: unknown): readonly string[] | undefined {
  if (!isSqliteError(error) || (error.errcode & 0xff) !== CONSTRAINT) return undefined;
  const columns = /^UNIQUE constraint failed: (.+)$/.exec(error.message)?.[1];
  return columns?.split(', ').map((column) => column.slice(column.indexOf('.') + 1));
}

const ADVICE: Readonly<Record<number, string>> = {
  3: 'may not be used; give this user the right to read and write it',
  5: 'is in use by another program; end that program',
  6: 'is in use by another program; end that program',
  8: 'cannot be written; give this user the right to write it and its folder',
  10: 'could not be read or written; look at the disk and at its free space',
  11: 'is damaged; stop Lastcall, move the file away and put its last backup in its place',
  13: 'cannot grow, the disk is full; free some space, Lastcall goes on by itself',
  14: 'cannot be opened; see that its folder exists and that this user may write there',
  26: 'is no SQLite database; move the file away and put its last backup in its place',
};

const CANNOT_OPEN = 14;

/** The disk did not confirm what was written: nobody knows what it has until the file is read anew. */
export function syncFault(file: string, cause: unknown): Fault {
  const detail = (cause as Partial<Error>).message ?? String(cause);
  return new Fault(
    `the database ${file} was not taken by the disk; look at it, then start Lastcall again (${detail})`,
    {
      cause,
    },
  );
}

export function sqliteFault(file: string, cause: unknown): Fault {
  // What is no error of SQLite is one of the file system, met on the way to the file.
  const advice = ADVICE[isSqliteError(cause) ? cause.errcode & 0xff : CANNOT_OPEN] ?? 'failed';
  const detail = (cause as Partial<Error>).message ?? String(cause);
  return new Fault(`the database ${file} ${advice} (${detail})`, { cause });
}
