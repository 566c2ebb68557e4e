import { describeCheck } from '../../testing/describe-check.js';
import { memory } from './memory.js';

describeCheck(memory, {
  passes: { 'just enough': { facts: { memoryBytes: 2 ** 30 } } },
  fails: { 'a byte too little': { facts: { memoryBytes: 2 ** 30 - 1 } } },
  unknown: { 'not found out': { facts: { memoryBytes: undefined } } },
  notAsked: { 'no demand': { demands: { memoryBytes: 0 } }, 'a backup only': { demands: 'none' } },
});
