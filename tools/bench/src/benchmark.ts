import { createTempFolder } from '@lastcall/testkit';
import { cpus } from 'node:os';

/*
 * The frame of each benchmark: progress on stderr, one line of JSON on stdout at the end, and everything that was started is ended and
 * removed, however it ends.
 */

export interface Bench {
  /** A folder of this benchmark's own, removed at the end. */
  readonly dir: string;
  /** One line of progress. */
  say(text: string): void;
  /** Ends something; called in the reverse order at the end. */
  onEnd(end: () => Promise<unknown> | void): void;
}

/** Longer than any of them takes on a slow machine; beyond it something hangs. */
const GIVE_UP_MS = 20 * 60_000;

/** Runs it, prints what it answers, and ends the process: 0 when it could measure, whatever it measured. */
export async function runBenchmark(name: string, body: (bench: Bench) => Promise<object>): Promise<void> {
  const folder = await createTempFolder(name.replaceAll(':', '-'));
  const ends: (() => Promise<unknown> | void)[] = [];
  const began = Date.now();
  const say = (text: string): void => {
    process.stderr.write(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
  };
  const clear = async (): Promise<void> => {
    for (let end = ends.pop(); end; end = ends.pop()) {
      try {
        await end();
      } catch (error) {
        // What follows is to be ended all the same.
        say(`could not be cleared away: ${String(error)}`);
      }
    }
    await folder.remove();
  };
  const stop = (why: string, exitCode: number): void => {
    say(why);
    void clear().finally(() => process.exit(exitCode));
  };
  process.once('SIGINT', () => stop('interrupted', 130)).once('SIGTERM', () => stop('told to stop', 143));
  setTimeout(() => stop(`gave up after ${GIVE_UP_MS / 60_000} minutes`, 1), GIVE_UP_MS).unref();
  try {
    const figures = await body({ dir: folder.path, say, onEnd: (end) => ends.push(end) });
    await clear();
    const machine = { node: process.version, cpus: cpus().length };
    // What a peer's library leaves open must not keep it from ending.
    process.stdout.write(`${JSON.stringify({ benchmark: name, ...machine, ...figures })}\n`, () => process.exit());
  } catch (error) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 1;
    await clear();
  }
}

/** What was aimed at and what came out. Nothing fails by it: a busy machine is no mistake of the code. */
export interface Goal {
  readonly goal: number;
  readonly measured: number;
  readonly met: boolean;
}

export function atLeast(goal: number, measured: number): Goal {
  return { goal, measured, met: measured >= goal };
}

export function atMost(goal: number, measured: number): Goal {
  return { goal, measured, met: measured <= goal };
}
