import { describeCheck } from '../../testing/describe-check.js';
import { backup } from './backup.js';

describeCheck(backup, {
  passes: { 'a backup command': {}, 'a backup job': { demands: 'none' } },
  fails: {
    'no backup command, and data change': { facts: { canBackUp: false } },
    'no backup command in a backup job': { demands: 'none', facts: { canBackUp: false } },
  },
  unknown: { 'not found out': { facts: { canBackUp: undefined } } },
  skipped: {
    'no backup command, and no data change': { demands: { changesData: false }, facts: { canBackUp: false } },
  },
  notAsked: {
    'made elsewhere': { occasion: { backupMode: 'made-elsewhere' } },
    'a command is run': { demands: 'none', occasion: { isCommand: true } },
  },
});
