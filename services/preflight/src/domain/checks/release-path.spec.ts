import { describeCheck } from '../../testing/describe-check.js';
import { releasePath } from './release-path.js';

const way = (isOpen: boolean, reason = '') => ({ occasion: { way: { version: '11.1.0', isOpen, reason } } });

describeCheck(releasePath, {
  passes: { 'one step': way(true) },
  fails: { 'several steps': way(false, '11.0.5 has to be installed first'), 'no reason is known': way(false) },
  notAsked: { 'whoever opened the run has asked': {} },
});
