import { isAtLeast } from '../versions.js';
import type { InstallationCheck } from './check-module.js';

/** Where the data of an older version comes from. */
export const restorePoint: InstallationCheck = {
  name: 'restore-point',
  about: 'installation',
  passesWhen: 'for the way back with data: the named restore point is proven and of that version or older',
  neverOverridden: 'without a proven backup there is no way back',
  ask: ({ occasion: { dataFrom, requirements } }) => {
    if (!dataFrom) return [];
    const { backup, restorePoint: name } = dataFrom;
    const version = requirements?.version ?? '';
    const found = backup && `of version ${backup.version}, ${new Date(backup.takenAt).toISOString()}`;
    return [
      {
        asked: `${name} is a proven backup of version ${version} or older`,
        met: backup?.verified === true && isAtLeast(version, backup.version),
        found: backup?.verified ? (found ?? '') : 'no proven backup of this name is known',
        remedy: 'Name another one (lastcall backup list)',
      },
    ];
  },
};
