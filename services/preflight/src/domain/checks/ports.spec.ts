import { describeCheck } from '../../testing/describe-check.js';
import { ports } from './ports.js';

describeCheck(ports, {
  passes: { free: {} },
  fails: { 'in use by another program': { facts: { ports: [{ port: 8080, usable: false }] } } },
  unknown: {
    'not tried': { facts: { ports: undefined, unknown: { ports: 'no permission' } } },
    'another port was tried': { facts: { ports: [{ port: 80, usable: true }] } },
  },
  notAsked: { 'no demand': { demands: { ports: [] } }, 'a backup only': { demands: 'none' } },
});
