import { compare } from 'semver';
import { newerVersions } from './next-version.js';

describe('the next version of a seat', () => {
  it.each<[string, string, readonly string[]]>([
    ['newest first, by semver and not by text', '11.0.0', ['11.10.0', '11.9.0', '11.9.0-rc.1']],
    ['none that is not newer', '11.10.0', []],
    ['all when nothing is installed', '', ['11.10.0', '11.9.0', '11.9.0-rc.1', '10.0.0']],
  ])('is looked for among those that are newer: %s', (_, installed, expected) => {
    const signed = ['11.9.0', '11.10.0', '10.0.0', '11.9.0-rc.1'];
    expect(newerVersions(installed, signed, compare)).toEqual(expected);
  });
});
