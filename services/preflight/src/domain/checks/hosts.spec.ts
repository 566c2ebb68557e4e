import { describeCheck } from '../../testing/describe-check.js';
import { OCCASION } from '../../testing/sample-matter.js';
import { hosts } from './hosts.js';

const [server, desk] = OCCASION.hosts as [(typeof OCCASION.hosts)[number], (typeof OCCASION.hosts)[number]];

describeCheck(hosts, {
  passes: { 'one server and a workstation': {} },
  fails: {
    'no host': { occasion: { hosts: [] } },
    'no server': { occasion: { hosts: [desk] } },
    'two servers': { occasion: { hosts: [server, { ...server, host: 'other' }] } },
  },
});
