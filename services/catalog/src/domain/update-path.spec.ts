import fc from 'fast-check';
import { MAX_PATH, obstacle, pathText, pathTo, type Candidate } from './update-path.js';
import { compareVersions, isNewer } from './version.js';

const release = (version: string, more: Partial<Candidate> = {}): Candidate => ({
  ...{ version, channels: ['stable'], updatesFrom: '', requiredVersions: [] },
  ...more,
});

describe('the way to a release', () => {
  it.each<[string, string, Candidate, Candidate[], string[] | undefined]>([
    ['one step', '1.0.0', release('2.0.0'), [], ['2.0.0']],
    ['nothing is installed', '', release('2.0.0', { updatesFrom: '1.5.0' }), [], ['2.0.0']],
    [
      'over a required version',
      '11.0.0',
      release('12.0.0', { requiredVersions: ['11.4.0'] }),
      [release('11.4.0'), release('11.6.0')],
      ['11.4.0', '12.0.0'],
    ],
    [
      'over all of them in order',
      '1.0.0',
      release('4.0.0', { requiredVersions: ['3.0.0', '2.0.0'] }),
      [release('3.0.0'), release('2.0.0')],
      ['2.0.0', '3.0.0', '4.0.0'],
    ],
    [
      'a required version has its own',
      '1.0.0',
      release('4.0.0', { requiredVersions: ['3.0.0'] }),
      [release('3.0.0', { requiredVersions: ['2.0.0'] }), release('2.0.0')],
      ['2.0.0', '3.0.0', '4.0.0'],
    ],
    ['one that was passed', '2.1.0', release('3.0.0', { requiredVersions: ['2.0.0'] }), [], ['3.0.0']],
    [
      'over the newest that is old enough to be taken',
      '11.0.0',
      release('12.0.0', { updatesFrom: '11.4.0' }),
      [release('11.2.0'), release('11.4.0'), release('11.5.0')],
      ['11.5.0', '12.0.0'],
    ],
    [
      'in as few steps as there are',
      '1.0.0',
      release('5.0.0', { updatesFrom: '4.0.0' }),
      [release('2.0.0'), release('3.0.0'), release('4.0.0', { updatesFrom: '2.0.0' })],
      ['3.0.0', '4.0.0', '5.0.0'],
    ],
    [
      'a required version is gone',
      '1.0.0',
      release('3.0.0', { requiredVersions: ['2.0.0'] }),
      [release('2.1.0')],
      undefined,
    ],
    ['nothing leads there', '1.0.0', release('3.0.0', { updatesFrom: '2.0.0' }), [release('1.9.0')], undefined],
    ['not over something newer', '1.0.0', release('3.0.0', { updatesFrom: '2.0.0' }), [release('3.1.0')], undefined],
  ])('%s', (_, installed, target, steps, path) => expect(pathTo(installed, target, steps)).toEqual(path));

  it('ends at a bound', () => {
    const chain = Array.from({ length: 300 }, (_, i) =>
      release(`1.${i + 1}.0`, { updatesFrom: `1.${i}.0`, requiredVersions: [`1.${i}.0`] }),
    );
    const at = (i: number): Candidate => chain[i] ?? release('0.0.0');
    expect(pathTo('1.0.0', at(MAX_PATH - 1), chain)).toHaveLength(MAX_PATH);
    expect(pathTo('1.0.0', at(MAX_PATH), chain)).toBeUndefined();
  });

  it('is written from what is installed', () =>
    expect([pathText('1.0.0', ['2.0.0']), pathText('', ['2.0.0'])]).toEqual(['1.0.0 → 2.0.0', '2.0.0']));

  const version = fc.tuple(fc.nat(4), fc.nat(3)).map(([a, b]) => `${a}.${b}.0`);
  const candidates = fc.uniqueArray(
    fc.record({
      version,
      channels: fc.constant(['stable']),
      updatesFrom: fc.oneof(fc.constant(''), version),
      requiredVersions: fc.array(version, { maxLength: 2 }),
    }),
    { selector: (c) => c.version, maxLength: 12 },
  );

  it('is a way: each step can be taken from the one before it, and none is left out', () => {
    fc.assert(
      fc.property(version, candidates, (installed, all) => {
        for (const target of all.filter((c) => isNewer(c.version, installed))) {
          const path = pathTo(installed, target, all);
          if (!path) continue;
          expect(path.at(-1)).toBe(target.version);
          path.reduce((from, to) => {
            const step = all.find((c) => c.version === to);
            expect(step && isNewer(to, from) && obstacle(from, step) === undefined).toBe(true);
            return to;
          }, installed);
          for (const required of target.requiredVersions) {
            if (isNewer(required, installed) && isNewer(target.version, required)) expect(path).toContain(required);
          }
        }
      }),
    );
  });

  it('is found whenever a search through all releases finds one that keeps the required versions', () => {
    fc.assert(
      fc.property(version, candidates, (installed, all) => {
        for (const target of all.filter((c) => isNewer(c.version, installed) && c.requiredVersions.length === 0)) {
          // Without required versions anywhere a search is simple: what is newer can take all that what is older can.
          const plain = all.map((c) => ({ ...c, requiredVersions: [] }));
          const path = pathTo(installed, target, plain);
          expect(path?.length).toBe(fewest(installed, target, plain));
        }
      }),
    );
  });
});

/** Steps of the shortest way, by looking at every release in order; undefined: there is none. */
function fewest(installed: string, target: Candidate, all: readonly Candidate[]): number | undefined {
  const steps = new Map<string, number>([[installed, 0]]);
  for (const release of all.toSorted((a, b) => compareVersions(a.version, b.version))) {
    if (!isNewer(release.version, installed) || isNewer(release.version, target.version)) continue;
    const from = [...steps].filter(([v]) => isNewer(release.version, v) && obstacle(v, release) === undefined);
    if (from.length > 0) steps.set(release.version, Math.min(...from.map(([, n]) => n)) + 1);
  }
  return steps.get(target.version);
}
