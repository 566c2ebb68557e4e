import { describeCheck } from '../../testing/describe-check.js';
import { backupOf } from '../../testing/sample-matter.js';
import { backupAge } from './backup-age.js';

type Backup = ReturnType<typeof backupOf> | undefined;
const elsewhere = (knownBackup: Backup, lastBackup?: Backup) => ({
  occasion: { backupMode: 'made-elsewhere' as const, knownBackup },
  facts: { lastBackup },
});

describeCheck(backupAge, {
  passes: {
    'one that is known here': elsewhere(backupOf(47)),
    'one that the host knows': elsewhere(undefined, backupOf(47)),
    'the newer of two': elsewhere(backupOf(100), backupOf(2)),
  },
  fails: {
    'an old one': elsewhere(backupOf(49)),
    'one that was not proven': elsewhere(backupOf(1, { verified: false })),
    'one from the future': elsewhere(backupOf(-1)),
    none: elsewhere(undefined),
  },
  notAsked: { 'the run takes one itself': {} },
});
