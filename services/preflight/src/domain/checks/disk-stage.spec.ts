import { describeCheck } from '../../testing/describe-check.js';
import { diskStage } from './disk-stage.js';

describeCheck(diskStage, {
  passes: {
    'room for the tree': { facts: { stageFreeBytes: 2 ** 20 } },
    'no room, and already staged': { facts: { stageFreeBytes: 0, staged: true } },
  },
  fails: {
    'a full disk': { facts: { stageFreeBytes: 2 ** 19 } },
    'no room for what is demanded beyond': { demands: { stageFreeBytes: 2 ** 40 }, facts: { staged: true } },
  },
  unknown: { 'not measured': { facts: { stageFreeBytes: undefined, unknown: { stage_free_bytes: 'EACCES' } } } },
  notAsked: { 'a backup only': { demands: 'none' } },
});
