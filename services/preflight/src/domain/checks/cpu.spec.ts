import { describeCheck } from '../../testing/describe-check.js';
import { cpu } from './cpu.js';

describeCheck(cpu, {
  passes: { 'as many as are demanded': { facts: { cpuCount: 2 } } },
  fails: { 'too few': { demands: { cpuCount: 8 } } },
  unknown: { 'not found out': { facts: { cpuCount: undefined, unknown: { cpu_count: 'no /proc' } } } },
  notAsked: { 'no demand': { demands: { cpuCount: 0 } }, 'a backup only': { demands: 'none' } },
});
