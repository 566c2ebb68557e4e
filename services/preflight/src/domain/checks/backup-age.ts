import { HOUR_MS } from '@lastcall/kernel';
import { backupBasis } from '../backup-basis.js';
import type { InstallationCheck } from './check-module.js';
import { MAX_CLOCK_DIFFERENCE_MS } from './clock.js';

export const backupAge: InstallationCheck = {
  name: 'backup-age',
  about: 'installation',
  passesWhen: 'for a backup made elsewhere: a proven one that is at most 48 h old',
  neverOverridden: 'without a proven backup there is no way back',
  ask: ({ occasion, answers, at }) => {
    if (occasion.backupMode !== 'made-elsewhere') return [];
    const { newest } = backupBasis(occasion, answers);
    const ageMs = newest && at - newest.takenAt;
    return [
      {
        asked: `a proven backup that is at most ${Math.round(occasion.backupMaxAgeMs / HOUR_MS)} hours old`,
        // One from the future says only that a clock is wrong.
        met: ageMs !== undefined && ageMs <= occasion.backupMaxAgeMs && ageMs >= -MAX_CLOCK_DIFFERENCE_MS,
        found: newest
          ? `${newest.restorePoint}, ${((ageMs ?? 0) / HOUR_MS).toFixed(1)} hours old`
          : 'no proven backup is known',
        remedy: 'Take one: lastcall backup take',
      },
    ];
  },
};
