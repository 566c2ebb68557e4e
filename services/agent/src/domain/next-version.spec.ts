import { compare } from 'semver';
import { newerVersions, obstacleTo } from './next-version.js';

const offered = (version: string, channels?: string[]) => ({ version, channels });

describe('the next version of a seat', () => {
  it.each<[string, string, string, readonly string[]]>([
    ['newest first, by semver and not by text', '11.0.0', 'stable', ['11.10.0', '11.9.0', '11.9.0-rc.1']],
    ['none that is not newer', '11.10.0', 'stable', []],
    ['all when nothing is installed', '', 'stable', ['11.10.0', '11.9.0', '11.9.0-rc.1', '10.0.0']],
    ['only those of the channel, and those that name none', '11.9.0', 'preview', ['12.0.0-beta.1', '11.9.1']],
  ])('is %s', (_, installed, channel, expected) => {
    const all = [
      offered('11.9.0', ['stable']),
      offered('11.10.0', ['stable']),
      offered('10.0.0', ['stable']),
      offered('11.9.0-rc.1', ['stable']),
      offered('12.0.0-beta.1', ['preview']),
      offered('9.0.0'),
    ];
    const more = channel === 'preview' ? [offered('11.9.1')] : [];
    const found = newerVersions(installed, channel, [...all.slice(0, 5), ...more], compare);
    expect(found).toEqual(expected);
  });

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
