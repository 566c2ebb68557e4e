import { EXIT } from '@lastcall/contracts';
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
  /** Resolves when a command that runs until it is told to stop is told so. */
  readonly stopped: () => Promise<void>;
}

export function systemIo(): Io {
  return {
    env: process.env,
    out: process.stdout,
    err: process.stderr,
    isTerminal: process.stdout.isTTY === true && process.stdin.isTTY === true,
    columns: () => process.stdout.columns || 80,
    stopped: stopSignal,
  };
}

/** A terminal's Ctrl-C reaches the launcher and this process, and the launcher passes it on. */
const SAME_SIGNAL_MS = 500;

/** The first SIGINT or SIGTERM; a later one ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let toldAt: number | undefined;
    const stop = (): void => {
      if (toldAt !== undefined && Date.now() - toldAt > SAME_SIGNAL_MS) process.exit(EXIT.failed);
      toldAt ??= Date.now();
      resolve();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
