import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { RestartWhen } from '../domain/seat-update.js';
import { layoutOf } from '../layout.js';
import { createLog, type Log } from '../log.js';
import { trimLogs } from '../logs.js';
import { createReleases } from '../releases.js';
import { obeyLines, textOf, unusable, type Command, type Said } from './obey-lines.js';
import { createProgressLines } from './progress-lines.js';
import { createSeat, type Seat } from './seat.js';
import { readSeatBook } from './seat-record.js';
import { viewOf } from './seat-view.js';

/*
 * A seat driven by another program: commands as JSON lines on standard input, what happens as JSON lines on standard output (README.md has
 * them). When the other program goes away, what may be broken off is broken off and kept; an install goes on to its end, because the
 * program that went away is the one that is being replaced.
 */

const WHEN: readonly unknown[] = ['now', 'next-start', 'later'] satisfies readonly RestartWhen[];

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
  const { answered } = await obeyLines(input, {
    say,
    told: () => telling,
    obey: async (command) => {
      if (command.do !== 'look') return obey(seat, command);
      telling = telling.then(tellState);
      return {};
    },
  });
  await seat.stop();
  await answered();
  progress.end();
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

/** Into a file: nobody reads the standard error of a program that another one drives. */
function seatLog(dir: string): Log {
  trimLogs(dir);
  return createLog((line) => appendFileSync(join(dir, 'seat.log'), line, { mode: 0o600 }));
}
