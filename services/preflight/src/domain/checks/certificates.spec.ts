import { DAY_MS } from '@lastcall/kernel';
import { describeCheck } from '../../testing/describe-check.js';
import { AT } from '../../testing/sample-matter.js';
import { certificates } from './certificates.js';

const validFor = (...days: readonly number[]) => ({
  facts: { certificates: days.map((n) => ({ whose: 'services', expiresAt: AT + n * DAY_MS, why: '' })) },
});

describeCheck(certificates, {
  passes: { 'two weeks are left': validFor(14), 'both are valid': validFor(100, 3_650) },
  fails: { 'it ends before': validFor(13.9), 'one of two is over': validFor(100, -1) },
  unknown: {
    'nobody could read it': { facts: { certificates: [{ whose: 'services', expiresAt: undefined, why: 'refused' }] } },
  },
  notAsked: { 'the line is plain text': {} },
});
