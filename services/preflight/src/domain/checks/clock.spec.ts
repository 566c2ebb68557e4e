import { MINUTE_MS } from '@lastcall/kernel';
import { describeCheck } from '../../testing/describe-check.js';
import { AT } from '../../testing/sample-matter.js';
import { clock } from './clock.js';

const at = (minutes: number) => ({ facts: { clockAt: AT + minutes * MINUTE_MS } });

describeCheck(clock, {
  passes: { 'the same time': {}, '5 minutes ahead': at(5), '5 minutes behind': at(-5) },
  fails: { '6 minutes ahead': at(6), '6 minutes behind': at(-6) },
  unknown: { 'an agent that does not say its time': { facts: { clockAt: undefined } } },
});
