import { describeCheck } from '../../testing/describe-check.js';
import { OCCASION } from '../../testing/sample-matter.js';
import { reach, reachFrom } from './reach.js';

const occasion = { serverAddresses: ['10.0.0.5'] };
const answered = (reached: boolean, port = 8080) => ({
  occasion,
  desk: { reached: [{ host: 'server', port, reached, found: '10.0.0.5 answers' }] },
});
const cases = {
  passes: { 'the port of the server is reached': answered(true) },
  fails: { 'it is not': answered(false) },
  unknown: { 'nothing was tried': { occasion }, 'another port was tried': answered(true, 80) },
  skipped: {
    'nobody knows where the server is': {},
    'an older agent does not try': { occasion, desk: { addresses: undefined } },
  },
  notAsked: { 'no ports': { occasion, demands: { ports: [] } }, 'a backup only': { demands: 'none' as const } },
};

describeCheck(reach, cases, 'desk');

describe('what is to be reached', () => {
  it('is the server with its ports, from every other host', () => {
    const known = { ...OCCASION, ...occasion };
    expect(reachFrom(known, 'desk')).toEqual({ host: 'server', addresses: ['10.0.0.5'], ports: [8080] });
    expect(reachFrom(known, 'server')).toBeUndefined();
    expect(reachFrom(OCCASION, 'desk')).toBeUndefined();
  });
});
