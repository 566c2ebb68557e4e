import { openUpdates } from '@lastcall/sdk';
import { createInterface } from 'node:readline';

/*
 * The help menu of an application on a single seat.
 *
 *   LASTCALL_SEAT=/opt/encore/seat node updates.js
 *
 * Then: `check`, `begin` (or `begin WHY-NO-BACKUP`), `pause`, `resume`, `restart now|next-start|later`, `quit`.
 */

const updates = openUpdates({
  onState: ({ phase, update, when, problem }) =>
    console.log([`update: ${phase}`, update?.version, when, problem?.message].filter(Boolean).join(', ')),
  onProgress: ({ step, done, total, bytesPerSecond = 0, secondsLeft }) =>
    total === undefined
      ? console.log(`step: ${step}`)
      : console.log(`download: ${done} of ${total} bytes, ${bytesPerSecond} a second, ${secondsLeft ?? '?'} s left`),
});

async function obey(line: string): Promise<unknown> {
  const [word, rest] = line.trim().split(/ (.*)/s);
  switch (word) {
    case 'check': {
      const { release, reason } = await updates.check();
      return console.log(release ? `new: ${release.version} ${release.notes}` : `nothing new: ${reason}`);
    }
    case 'begin':
      return updates.begin({ skipBackup: rest });
    case 'pause':
      return updates.pause();
    case 'resume':
      return updates.resume();
    case 'restart':
      return updates.restart(rest === 'now' || rest === 'next-start' ? rest : 'later');
    case 'quit':
      return process.exit(0);
    default:
      return console.log('check, begin, pause, resume, restart now|next-start|later, quit');
  }
}

async function main(): Promise<void> {
  // Before anything else: what was put off to this start is installed, and this program is started anew.
  if ((await updates.atStart()) === 'restarted') process.exit(0);
  console.log('started');
  createInterface({ input: process.stdin }).on('line', (line) => {
    obey(line).catch((error: unknown) =>
      console.log(`failed: ${error instanceof Error ? error.message : String(error)}`),
    );
  });
}

void main();
