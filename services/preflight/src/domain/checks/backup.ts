import { holdsData, isNeedless } from '../backup-basis.js';
import type { HostCheck, HostMatter } from './check-module.js';

/** Whether the run takes a backup on this host. */
export function takesBackup({ occasion, demands, host }: HostMatter): boolean {
  if (occasion.isCommand) return false;
  return holdsData(occasion, host.host) && (!demands || (host.role === 'server' && occasion.backupMode === 'take'));
}

export const backup: HostCheck = {
  name: 'backup',
  about: 'host',
  passesWhen: 'the installed release can back its data up; skipped when it cannot and the update changes no data',
  neverOverridden: 'without a proven backup there is no way back',
  ask: (matter) => {
    const { demands, facts } = matter;
    if (!takesBackup(matter)) return [];
    const nothing = 'the installed release has no backup command and this update changes no data';
    return [
      {
        asked: 'the installed release can back its data up',
        needs: ['can_back_up'],
        met: facts.canBackUp,
        ...(isNeedless(demands, facts.canBackUp) ? { skip: nothing } : {}),
        found: facts.canBackUp ? 'it has a backup command' : 'its manifest has no backup command',
        remedy: 'Make a backup elsewhere and say so in the job (made-elsewhere)',
      },
    ];
  },
};
