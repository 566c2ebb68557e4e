import type { SeatUpdateCheck, UpdateProgress, UpdateState } from '@lastcall/sdk';
import { bytes, fields, oneLine } from '../render/text.js';
import { ownZone, span, time } from '../render/time.js';

/* A single seat's updates, for people. */

export function checkText(found: SeatUpdateCheck, state: UpdateState | undefined): string {
  return fields([
    ['Installed', found.installedVersion || 'nothing yet'],
    ['Newer', found.release ? `${found.release.version} ${found.release.title}` : 'none'],
    ['Reason', found.reason],
    ['Notes', found.release?.notes],
    ['Tried before', found.triedBefore && `taken back: ${found.triedBefore}`],
    ['Update', state && standing(state)],
    ['Last update', state && lastUpdate(state)],
  ]);
}

/** Where the update in hand stands; undefined for none. */
export function standing({ phase, update, when, problem }: UpdateState): string | undefined {
  if (!update) return undefined;
  const words = phase === 'ready' ? `ready, ${READY[when ?? 'not-said']}` : phase;
  return [`${update.version} ${words}`, problem?.message].filter(Boolean).join(': ');
}

const READY: Readonly<Record<NonNullable<UpdateState['when']>, string>> = {
  'not-said': 'waits for a restart',
  'next-start': 'comes at the next start',
  later: 'put off',
};

export function lastUpdate({ last }: UpdateState): string | undefined {
  if (!last) return undefined;
  const backup = last.skipBackup === undefined ? last.restorePoint : `skipped (${last.skipBackup})`;
  return [
    `${last.fromVersion} to ${last.version}: ${RESULTS[last.result]} at ${time(new Date(last.at), ownZone())}`,
    backup && `backup: ${backup}`,
    last.problem && `because: ${last.problem.message}`,
  ]
    .filter(Boolean)
    .join('\n');
}

const RESULTS: Readonly<Record<NonNullable<UpdateState['last']>['result'], string>> = {
  updated: 'updated',
  'gone-back': 'failed, and the old version and its data are back',
  'not-begun': 'not begun, nothing was changed,',
  replaced: 'left for another version',
};

/** Why it stands still, or how it ended, with what to do. */
export function problemText(state: UpdateState): string {
  const { phase, problem, last, follows } = state;
  if (phase === 'stuck' && follows !== undefined) {
    return `the way back failed (${problem?.message}); an administrator has to look at this computer and release it`;
  }
  if (phase === 'stuck') {
    return `the way back failed (${problem?.message}); the application does not run. Mend that, then run it again`;
  }
  if (phase === 'resting') {
    const hint =
      last?.result === 'not-begun' && follows === undefined ? '; --skip-backup REASON goes on without a backup' : '';
    return `${lastUpdate(state) ?? 'nothing was begun'}${hint}`;
  }
  return `${problem?.message ?? 'it was paused'}; what has arrived is kept, run it again to go on`;
}

/** `12.0 MiB of 40.0 MiB, 2.1 MiB/s, 14 s left`. */
export function progressText({ step, done, total, bytesPerSecond = 0, secondsLeft }: UpdateProgress): string {
  if (done === undefined || total === undefined) return oneLine(step);
  const speed = bytesPerSecond > 0 ? [`${bytes(bytesPerSecond)}/s`] : [];
  const left = secondsLeft === undefined ? [] : [`${span(secondsLeft * 1_000)} left`];
  return [`${bytes(done)} of ${bytes(total)}`, ...speed, ...left].join(', ');
}
