import { obstacleTo, type CompareVersions } from './updates-from.js';

const compare: CompareVersions = (a, b) => Number(a.replaceAll('.', '')) - Number(b.replaceAll('.', ''));

describe('an update', () => {
  it.each<[string, string, { oldest?: string; required?: string[] }, string | undefined]>([
    ['nothing when it is old enough', '11.0.0', { oldest: '11.0.0' }, undefined],
    ['nothing without an installed version', '', { oldest: '11.0.0', required: ['11.5.0'] }, undefined],
    [
      'an installed version that is too old',
      '10.9.0',
      { oldest: '11.0.0' },
      '12.0.0 updates from 11.0.0 or newer, and 10.9.0 is installed',
    ],
    [
      'the oldest version that is missing',
      '11.0.0',
      { required: ['11.5.0', '11.2.0'] },
      '12.0.0 needs 11.2.0 to be installed first, and 11.0.0 is installed',
    ],
    ['nothing when all in between are there', '11.5.0', { required: ['11.5.0', '11.2.0'] }, undefined],
    ['nothing for a required version beyond', '11.0.0', { required: ['13.0.0'] }, undefined],
  ])('is stopped by %s', (_, installed, { oldest = '', required = [] }, expected) =>
    expect(obstacleTo({ version: '12.0.0', oldest, required }, installed, compare)).toBe(expected),
  );
});
