import { describeCheck } from '../../testing/describe-check.js';
import { diskBackup } from './disk-backup.js';

describeCheck(diskBackup, {
  passes: { 'room for the data': { facts: { backupFreeBytes: 2 ** 20 } } },
  fails: {
    'no room for the data': { facts: { backupFreeBytes: 2 ** 19 } },
    'no room for both, while it is packed': { facts: { backupFreeBytes: 2 ** 20, backupNeededBytes: 2 ** 21 } },
    'no room for what is demanded beyond': { demands: { backupFreeBytes: 2 ** 40 } },
  },
  unknown: {
    'room not measured': { facts: { backupFreeBytes: undefined } },
    'data not measured': { facts: { dataBytes: undefined } },
  },
  notAsked: {
    'made elsewhere': { occasion: { backupMode: 'made-elsewhere' } },
    'nothing to back up': { demands: { changesData: false }, facts: { canBackUp: false } },
  },
});
