import { describeCheck } from '../../testing/describe-check.js';
import { backupOf } from '../../testing/sample-matter.js';
import { restorePoint } from './restore-point.js';

const from = (backup: ReturnType<typeof backupOf> | undefined) => ({ dataFrom: { restorePoint: 'rp-1', backup } });

describeCheck(restorePoint, {
  passes: {
    'a backup of that version': { occasion: from(backupOf(1, { version: '11.1.0' })) },
    'a backup of an older version': { occasion: from(backupOf(1, { version: '10.9.0' })) },
  },
  fails: {
    'a backup of a newer version': { occasion: from(backupOf(1, { version: '11.2.0' })) },
    'a backup that was not proven': { occasion: from(backupOf(1, { verified: false })) },
    'a backup that nobody knows': { occasion: from(undefined) },
  },
  notAsked: { 'no data are brought back': {} },
});
