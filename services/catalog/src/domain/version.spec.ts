import fc from 'fast-check';
import semver from 'semver';
import { compareVersions, isNewer } from './version.js';

const number = fc.nat({ max: 999_999_999 });
const identifier = fc.oneof(
  fc.nat({ max: 20 }).map(String),
  fc.stringMatching(/^[0-9a-zA-Z-]{1,8}$/).filter((text) => semver.valid(`1.0.0-${text}`) !== null),
);
const version = fc
  .tuple(
    fc.oneof(fc.nat({ max: 2 }), number),
    fc.nat({ max: 2 }),
    fc.nat({ max: 2 }),
    fc.array(identifier, { maxLength: 3 }),
  )
  .map(([a, b, c, pre]) => `${a}.${b}.${c}${pre.length > 0 ? `-${pre.join('.')}` : ''}`);

describe('compareVersions', () => {
  it('orders as semver does', () => {
    fc.assert(
      fc.property(version, version, (a, b) => expect(compareVersions(a, b)).toBe(semver.compare(a, b))),
      {
        numRuns: 2_000,
      },
    );
  });

  it('does not count build metadata', () => expect(compareVersions('1.0.0+a', '1.0.0+b')).toBe(0));

  it.each([
    ['10.0.0', '9.0.0'],
    ['1.0.0', '1.0.0-rc.1'],
    ['1.0.0-rc.10', '1.0.0-rc.9'],
    ['1.0.0-a-', '1.0.0-a.b'],
  ])('%s is newer than %s', (a, b) => expect(isNewer(a, b)).toBe(true));
});
