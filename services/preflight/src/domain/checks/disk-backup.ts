import { isNeedless } from '../backup-basis.js';
import { backupNeed } from '../disk-needs.js';
import { takesBackup } from './backup.js';
import { bytes, isEnough, type HostCheck } from './check-module.js';

export const diskBackup: HostCheck = {
  name: 'disk-backup',
  about: 'host',
  passesWhen: 'free bytes where backups are kept ≥ the data and what the release demands beyond',
  ask: (matter) => {
    const { demands, facts } = matter;
    if (!takesBackup(matter) || isNeedless(demands, facts.canBackUp)) return [];
    const needed = backupNeed(demands, facts);
    return [
      {
        asked: `${needed === undefined ? 'room for the data' : bytes(needed)} free where backups are kept`,
        needs: ['backup_free_bytes', 'data_bytes'],
        met: needed === undefined ? undefined : isEnough(facts.backupFreeBytes, needed),
        found: bytes(facts.backupFreeBytes ?? 0),
        remedy: 'Free some disk space, or delete old backups',
      },
    ];
  },
};
