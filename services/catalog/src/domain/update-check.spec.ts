import fc from 'fast-check';
import { checkUpdate, checkVersion, type UpdateCheck } from './update-check.js';
import { obstacle, type Candidate } from './update-path.js';
import { isNewer } from './version.js';

const release = (version: string, more: Partial<Candidate> = {}): Candidate => ({
  version,
  channels: ['stable'],
  updatesFrom: '',
  requiredVersions: [],
  ...more,
});
const nobody = (): undefined => undefined;

function ask(
  installed: string,
  head: string,
  published: readonly Candidate[],
  holds: (release: Candidate) => string | undefined = nobody,
): UpdateCheck {
  return checkUpdate({ installed, channel: { name: 'stable', head }, published, holds });
}

describe('checkVersion', () => {
  it.each<[string, string, string, Candidate[], string | undefined, string]>([
    ['published and newer', '1.0.0', '1.1.0', [release('1.1.0')], '1.1.0', ''],
    ['of any channel', '1.0.0', '1.1.0', [release('1.1.0', { channels: [] })], '1.1.0', ''],
    ['unknown or withdrawn', '1.0.0', '1.2.0', [release('1.1.0')], undefined, 'not a published release'],
    ['installed', '1.1.0', '1.1.0', [release('1.1.0')], undefined, 'not newer'],
    ['older', '1.2.0', '1.1.0', [release('1.1.0')], undefined, 'not newer'],
    ['too far', '1.0.0', '3.0.0', [release('3.0.0', { updatesFrom: '2.0.0' })], undefined, 'updates from 2.0.0'],
    ['nothing installed', '', '1.1.0', [release('1.1.0')], '1.1.0', ''],
  ])('%s', (_, installed, wanted, releases, version, reason) => {
    const question = { installed, channel: { name: 'stable', head: '9.9.9' }, published: releases, holds: nobody };
    expect(checkVersion(question, wanted)).toMatchObject({ version, reason: expect.stringContaining(reason) });
  });

  it('says the way to a version that cannot be reached in one step', () => {
    const published = [release('11.4.0'), release('12.0.0', { requiredVersions: ['11.4.0'] })];
    const question = { installed: '11.0.0', channel: { name: 'stable', head: '12.0.0' }, published, holds: nobody };
    expect(checkVersion(question, '12.0.0')).toEqual({
      version: undefined,
      reason: '12.0.0 needs 11.4.0 to be installed first, and 11.0.0 is installed; the way is 11.0.0 → 11.4.0 → 12.0.0',
      path: ['11.4.0', '12.0.0'],
      target: '12.0.0',
    });
  });

  it('is bound by what holds it back', () => {
    const question = { installed: '1.0.0', channel: { name: 'stable', head: '1.1.0' }, published: [release('1.1.0')] };
    const check = checkVersion({ ...question, holds: () => 'not your turn' }, '1.1.0');
    expect(check).toEqual({ version: undefined, reason: 'not your turn', path: [], target: '1.1.0' });
  });
});

describe('checkUpdate', () => {
  it.each<[string, string, string, Candidate[], string | undefined, string]>([
    ['nothing published', '1.0.0', '', [], undefined, 'has no release'],
    ['the newest', '1.0.0', '1.2.0', [release('1.1.0'), release('1.2.0')], '1.2.0', ''],
    ['numbers, not letters', '9.0.0', '10.0.0', [release('10.0.0')], '10.0.0', ''],
    ['up to date', '1.2.0', '1.2.0', [release('1.2.0')], undefined, '1.2.0 is the newest release'],
    ['ahead of the channel', '2.0.0', '1.2.0', [release('1.2.0')], undefined, 'not older than 1.2.0'],
    ['nothing beyond the head', '1.0.0', '1.1.0', [release('1.1.0'), release('1.2.0')], '1.1.0', ''],
    ['of this channel only', '1.0.0', '1.2.0', [release('1.2.0', { channels: ['preview'] })], undefined, 'no release'],
    ['a withdrawn head falls to what is left', '1.0.0', '1.2.0', [release('1.1.0')], '1.1.0', ''],
    ['nothing installed', '', '1.2.0', [release('1.2.0', { updatesFrom: '1.1.0' })], '1.2.0', ''],
    ['too old', '1.0.0', '2.0.0', [release('2.0.0', { updatesFrom: '1.5.0' })], undefined, 'updates from 1.5.0'],
    ['old enough', '1.5.0', '2.0.0', [release('2.0.0', { updatesFrom: '1.5.0' })], '2.0.0', ''],
    [
      'a step in between',
      '1.0.0',
      '3.0.0',
      [release('3.0.0', { requiredVersions: ['2.5.0', '2.0.0'] }), release('2.0.0')],
      '2.0.0',
      '3.0.0 needs 2.0.0 to be installed first',
    ],
    ['that was taken', '2.0.0', '3.0.0', [release('3.0.0', { requiredVersions: ['2.0.0'] })], '3.0.0', ''],
    [
      'that is gone',
      '1.0.0',
      '3.0.0',
      [release('3.0.0', { requiredVersions: ['2.0.0'] })],
      undefined,
      '3.0.0 needs 2.0.0',
    ],
    ['a prerelease is older', '1.0.0-rc.1', '1.0.0', [release('1.0.0')], '1.0.0', ''],
  ])('%s', (_, installed, head, releases, version, reason) => {
    const check = ask(installed, head, releases);
    expect(check.version).toBe(version);
    if (reason === '') expect(check.reason).toBe('');
    else expect(check.reason).toContain(reason);
  });

  it('takes a required version first, also when something newer could be taken', () => {
    const releases = [release('2.0.0'), release('2.5.0'), release('3.0.0', { requiredVersions: ['2.0.0'] })];
    expect(ask('1.0.0', '3.0.0', releases)).toMatchObject({ version: '2.0.0', path: ['2.0.0', '3.0.0'] });
  });

  it('offers what is not held back, and says why it is not the newest', () => {
    const releases = [release('1.1.0'), release('1.2.0')];
    const check = ask('1.0.0', '1.2.0', releases, ({ version }) => (version === '1.2.0' ? 'wave' : undefined));
    expect(check).toEqual({ version: '1.1.0', reason: 'wave', path: ['1.1.0'], target: '1.2.0' });
    expect(ask('1.1.0', '1.2.0', releases, () => 'wave')).toMatchObject({ version: undefined, reason: 'wave' });
  });

  it('never offers what may not be taken, and says why whenever it is not the newest', () => {
    const version = fc.tuple(fc.nat(3), fc.nat(3)).map(([a, b]) => `${a}.${b}.0`);
    const candidate = fc.record({
      version,
      channels: fc.subarray(['stable', 'preview']),
      updatesFrom: fc.oneof(fc.constant(''), version),
      requiredVersions: fc.array(version, { maxLength: 2 }),
    });
    fc.assert(
      fc.property(version, version, fc.array(candidate, { maxLength: 8 }), (installed, head, releases) => {
        const answer = ask(installed, head, releases);
        if (answer.version === undefined) return expect(answer.reason).not.toBe('');
        const taken = releases.filter((r) => r.version === answer.version && r.channels.includes('stable'));
        expect(taken.some((r) => obstacle(installed, r) === undefined)).toBe(true);
        expect(isNewer(answer.version, installed) && !isNewer(answer.version, head)).toBe(true);
      }),
    );
  });
});

it('answers soon for ten thousand releases, also when the newest is too far away', () => {
  // Each major version updates from the middle of the one before it.
  const published = Array.from({ length: 10_000 }, (_, i) => {
    const major = Math.floor(i / 50);
    return release(`${major}.${i % 50}.0`, { updatesFrom: `${Math.max(0, major - 1)}.25.0` });
  });
  const begun = Date.now();
  expect(ask('0.30.0', '199.49.0', published)).toMatchObject({ version: '1.49.0', path: ['1.49.0'] });
  expect(ask('150.30.0', '199.49.0', published).path).toHaveLength(49);
  // Milliseconds, unless each release is compared with each other.
  expect(Date.now() - begun).toBeLessThan(10_000);
});
