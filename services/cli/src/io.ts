import type { Environment } from '@lastcall/sdk';
import type { Writable } from 'node:stream';

/** The world of one command; tests bring their own. */
export interface Io {
  readonly env: Environment;
  readonly out: Writable;
  readonly err: Writable;
  /** Whether somebody looks at `out` and can be asked. */
  readonly isTerminal: boolean;
  /** Characters of a line. */
  readonly columns: () => number;
}

export function systemIo(): Io {
  return {
    env: process.env,
    out: process.stdout,
    err: process.stderr,
    isTerminal: process.stdout.isTTY === true && process.stdin.isTTY === true,
    columns: () => process.stdout.columns || 80,
  };
}
