import { describeCheck } from '../../testing/describe-check.js';
import { antivirus } from './antivirus.js';

const demands = { antivirusFolders: ['${dataDir}', '${appDir}'] };
const found = (...present: readonly boolean[]) => ({
  product: 'clamav',
  source: '/etc/clamav/clamd.conf',
  exceptions: present.map((is, i) => ({ kind: 'folder', value: `/folder-${i}`, present: is })),
});

describeCheck(antivirus, {
  passes: { 'each exception is set': { demands, facts: { antivirus: found(true, true) } } },
  fails: {
    'none is set': { demands, facts: { antivirus: found(false, false) } },
    'one was taken away': { demands, facts: { antivirus: found(true, false) } },
  },
  unknown: {
    'the product cannot be asked': { demands, facts: { antivirus: undefined, unknown: { antivirus: 'EACCES' } } },
    'not all were answered': { demands, facts: { antivirus: found(true) } },
  },
  skipped: { 'no antivirus software': { demands } },
  notAsked: { 'no demand': {}, 'a backup only': { demands: 'none' } },
});
