import { checkDowngrade } from './downgrade-check.js';

describe('checkDowngrade', () => {
  const published = ['1.0.0', '1.1.0', '2.0.0'].map((version) => {
    return { version, channels: ['stable'], updatesFrom: '', requiredVersions: [] };
  });
  const past = (...changed: string[]) =>
    ['1.0.0', '1.1.0', '1.2.0', '2.0.0'].map((version) => ({ version, changesData: changed.includes(version) }));
  it.each([
    ['not published', '1.2.0', '2.0.0', past(), '', 'not a published release'],
    ['newer', '2.0.0', '1.1.0', past(), 'rp-1', 'not older'],
    ['the same', '1.1.0', '1.1.0', past(), 'rp-1', 'not older'],
    ['of an unknown one', '1.0.0', '', past(), 'rp-1', 'not known'],
    ['of one that the catalog never had', '1.0.0', '1.5.0', past(), '', 'not known'],
    ['before data was changed', '1.0.0', '2.0.0', past('2.0.0'), '', '2.0.0 changed the data'],
    ['before a withdrawn one that changed it', '1.1.0', '2.0.0', past('1.2.0'), '', '--data-from'],
  ])('refuses what is %s', (_, wanted, installed, all, dataFrom, reason) =>
    expect(checkDowngrade(installed, wanted, published, all, dataFrom)).toEqual({
      version: undefined,
      reason: expect.stringContaining(reason),
      path: [],
      target: wanted,
    }),
  );
  it('takes what can read the data, and anything whose data is brought back', () => {
    const taken = { version: '1.1.0', reason: '', path: ['1.1.0'], target: '1.1.0' };
    expect(checkDowngrade('2.0.0', '1.1.0', published, past('1.0.0', '1.1.0'), '')).toEqual(taken);
    expect(checkDowngrade('2.0.0', '1.1.0', published, past('2.0.0'), 'rp-1')).toEqual(taken);
  });
});
