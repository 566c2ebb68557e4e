import { describeCheck } from '../../testing/describe-check.js';
import { diskTogether } from './disk-together.js';

const GIB = 2 ** 30;
const one = { stage: '1', backup: '1', data: '1' };
const free = (bytes: number, volumes = one) => ({
  demands: { treeBytes: GIB },
  facts: { dataBytes: 2 * GIB, stageFreeBytes: bytes, backupFreeBytes: bytes, dataFreeBytes: bytes, volumes },
});

describeCheck(diskTogether, {
  passes: {
    'one volume has room for the version, the backup and the way back': free(5 * GIB),
    'two volumes have room each': free(3 * GIB, { stage: '1', backup: '2', data: '1' }),
    'no data change, so there is no way back for them': {
      ...free(3 * GIB),
      demands: { treeBytes: GIB, changesData: false },
    },
  },
  fails: {
    'each fits, and not together': free(5 * GIB - 1),
    'the volume of the data lacks room for the way back': { facts: { dataBytes: 2, dataFreeBytes: 1 } },
    'a volume lacks room for the version and the way back': free(3 * GIB - 1, { stage: '1', backup: '2', data: '1' }),
  },
  unknown: {
    'room was not measured': { facts: { stageFreeBytes: undefined, volumes: one } },
    'room for the way back was not measured': { facts: { dataFreeBytes: undefined } },
    'data were not measured': { facts: { dataBytes: undefined, volumes: one } },
    'volumes could not be told': { facts: { volumes: undefined, unknown: { volumes: 'ENOENT' } } },
  },
  skipped: {
    'an older agent does not say': { facts: { volumes: undefined } },
  },
  notAsked: { 'a backup only': { demands: 'none' } },
});
