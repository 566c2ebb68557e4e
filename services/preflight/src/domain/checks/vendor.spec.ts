import { describeCheck } from '../../testing/describe-check.js';
import { vendor } from './vendor.js';

const database = { id: 'database', role: 'server', asks: 'PostgreSQL 14', remedy: 'Update PostgreSQL.' } as const;
const demands = { vendorChecks: [database] };
const answered = (passed: boolean, unanswered = false, id = 'database') => ({
  demands,
  facts: { staged: true, vendorChecks: [{ id, passed, unanswered, found: 'PostgreSQL 13.2' }] },
});

describeCheck(vendor, {
  passes: { 'exit code 0': answered(true) },
  fails: { 'another exit code': answered(false) },
  unknown: {
    'it did not end': answered(true, true),
    'only another one was answered': answered(true, false, 'other'),
    'none was': { demands, facts: { staged: true, vendorChecks: undefined } },
    'not staged when nobody is inside any more': { demands, occasion: { isLastLook: true } },
  },
  skipped: { 'not staged yet': { demands } },
  notAsked: {
    'no demand': {},
    'a check of another role': { demands: { vendorChecks: [{ ...database, role: 'terminal-server' }] } },
    'a backup only': { demands: 'none' },
  },
});
