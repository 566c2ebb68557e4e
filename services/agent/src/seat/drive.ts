import { isRejected, RejectedError } from '@lastcall/kernel';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { RestartWhen } from '../domain/seat-update.js';
import { layoutOf } from '../layout.js';
import { createLog, messageOf, type Log } from '../log.js';
import { trimLogs } from '../logs.js';
import { createReleases } from '../releases.js';
import { Interrupted, StepFailure } from '../step-failure.js';
import { createSeat, type Seat } from './seat.js';
import { readSeatBook } from './seat-record.js';
import { viewOf } from './seat-view.js';
import { createProgressLines } from './progress-lines.js';

/*
 * A seat driven by another program: commands as JSON lines on standard input, what happens as JSON lines on standard output (README.md has
 * them). When the other program goes away, what may be broken off is broken off and kept; an install goes on to its end, because the
 * program that went away is the one that is being replaced.
 */

type Said = Readonly<Record<string, unknown>>;

interface Command {
  readonly id?: unknown;
  readonly do?: unknown;
  readonly version?: unknown;
  readonly skipBackup?: unknown;
  readonly when?: unknown;
}

const WHEN: readonly unknown[] = ['now', 'next-start', 'later'] satisfies readonly RestartWhen[];
const MAX_LINE = 64 * 1024;

/** Resolves when the input has ended and nothing is being done any more. */
export async function driveSeat(dataDir: string, input: Readable, output: Writable): Promise<void> {
  const layout = layoutOf(dataDir);
  const releases = createReleases(layout, '');
  // Whoever listened may be gone; the work is not for the listener.
  output.on('error', () => undefined);
  const say = (said: Said): void => void output.write(`${JSON.stringify(said)}\n`);
  const tellState = async (): Promise<void> =>
    say({ said: 'state', ...viewOf(readSeatBook(layout), await releases.installedVersion()) });
  const progress = createProgressLines(say);
  let telling = Promise.resolve();
  const seat = createSeat({
    dataDir,
    log: seatLog(layout.logs),
    // In order: each line is the state at the time when it is written.
    onState: () => {
      progress.end();
      telling = telling.then(tellState);
    },
    onStep: progress.at,
  });
  await tellState();
  const look = async (): Promise<void> => {
    telling = telling.then(tellState);
    await telling;
  };
  const answers = new Set<Promise<void>>();
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (line.trim() === '') continue;
    const answered = answer(seat, line, look)
      .then(async (said) => {
        // An answer comes after the states that it led to.
        await telling;
        say(said);
      })
      .finally(() => answers.delete(answered));
    answers.add(answered);
  }
  await seat.stop();
  await Promise.all(answers);
  progress.end();
}

async function answer(seat: Seat, line: string, look: () => Promise<void>): Promise<Said> {
  const command = parse(line);
  const to = typeof command?.id === 'number' || typeof command?.id === 'string' ? command.id : null;
  try {
    if (!command) throw unusable('the line is no JSON object');
    const said = command.do === 'look' ? await look() : await obey(seat, command);
    return { said: 'answer', to, ...said };
  } catch (error) {
    return { said: 'refused', to, ...problemOf(error) };
  }
}

function parse(line: string): Command | undefined {
  try {
    const value: unknown = line.length > MAX_LINE ? undefined : JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined; // The answer says so.
  }
}

async function obey(seat: Seat, command: Command): Promise<Said> {
  switch (command.do) {
    case 'check':
      return { ...(await seat.check()) };
    case 'begin':
      await seat.begin({ version: textOf(command, 'version'), skipBackup: textOf(command, 'skipBackup') });
      return {};
    case 'pause':
      await seat.pause();
      return {};
    case 'resume':
      await seat.resume();
      return {};
    case 'restart':
      if (!WHEN.includes(command.when)) throw unusable(`"when" must be one of ${WHEN.join(', ')}`);
      await seat.restart(command.when as RestartWhen);
      return {};
    case 'at-start':
      return { installed: await installsAtStart(seat) };
    default:
      throw unusable('"do" must be one of look, check, begin, pause, resume, restart, at-start');
  }
}

/** Whether an application was stopped and started anew. */
async function installsAtStart(seat: Seat): Promise<boolean> {
  const before = seat.book();
  const after = await seat.atStart();
  const [last] = after.history;
  return last !== undefined && last.at !== before.history[0]?.at && last.result !== 'not-begun';
}

function textOf(command: Command, field: 'version' | 'skipBackup'): string | undefined {
  const value = command[field];
  if (value === undefined || typeof value === 'string') return value;
  throw unusable(`"${field}" must be a text`);
}

class Unusable extends Error {}

function unusable(message: string): Unusable {
  return new Unusable(message);
}

/** `kind` says whose turn it is: `not-reachable` and `failed` may pass, the others are the caller's. */
function problemOf(error: unknown): Said {
  if (error instanceof RejectedError && isRejected(error.rejected)) {
    const { code, reason, message } = error.rejected;
    return { kind: code, reason, message };
  }
  if (error instanceof StepFailure) {
    const { reason, message } = error.failure;
    return { kind: reason === 'CATALOG_NOT_REACHABLE' ? 'not-reachable' : 'failed', reason, message };
  }
  if (error instanceof Interrupted) return { kind: 'failed', reason: 'INTERRUPTED', message: 'it was broken off' };
  if (error instanceof Unusable) return { kind: 'invalid', reason: 'INVALID_COMMAND', message: error.message };
  return { kind: 'failed', reason: 'AGENT_ERROR', message: messageOf(error) };
}

/** Into a file: nobody reads the standard error of a program that another one drives. */
function seatLog(dir: string): Log {
  trimLogs(dir);
  return createLog((line) => appendFileSync(join(dir, 'seat.log'), line, { mode: 0o600 }));
}
