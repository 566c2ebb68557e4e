import { Metadata, MetadataKind, Snapshot, Targets } from '@tufjs/models';
import { makeModelsLinear } from './linear-models.js';

/*
 * Reading and writing signed metadata through the models, with the long lists put together by us: nothing gets lost, and nothing passes that the
 * library refuses.
 */

makeModelsLinear();

const HEAD = { spec_version: '1.0.31', version: 3, expires: '2030-01-31T12:00:00Z' };
const SHA = 'a'.repeat(64);
const key = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: SHA } };
const role = (name: string) => ({ name, keyids: ['k'], threshold: 1, terminating: true, paths: [`${name}/*`] });
const target = { length: 1, hashes: { sha256: SHA }, custom: { by: 'us' } };
const targets = {
  ...{ _type: 'targets', ...HEAD, 'x-unknown': { kept: true } },
  targets: { 'encore/1.0.0/lastcall.yaml': target, '11': { length: 2, hashes: { sha256: SHA } } },
  delegations: { keys: { k: key }, roles: [role('encore'), role('overture')], 'x-more': 1 },
};
const snapshot = {
  ...{ _type: 'snapshot', ...HEAD, 'x-unknown': [1] },
  meta: {
    'targets.json': { version: 1 },
    'encore.json': { version: 2, length: 9, hashes: { sha256: SHA }, more: 'x' },
  },
};

const manyFiles = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`role-${i}.json`, { version: 1 }]));

describe('models with long lists', () => {
  it('write what they have read, unknown fields included', () => {
    expect(Targets.fromJSON(targets).toJSON()).toEqual(targets);
    expect(Snapshot.fromJSON(snapshot).toJSON()).toEqual(snapshot);
    expect(Targets.fromJSON({ _type: 'targets', ...HEAD }).toJSON()).toEqual({
      ...{ _type: 'targets', ...HEAD },
      targets: {},
    });
  });

  it('are still those of the library', () => {
    const read = Metadata.fromJSON(MetadataKind.Targets, { signed: targets, signatures: [] });
    expect(read.signed.targets['encore/1.0.0/lastcall.yaml']?.custom).toEqual({ by: 'us' });
    expect(read.signed.equals(Targets.fromJSON(targets))).toBe(true);
    expect(read.signed.delegations?.roles?.['overture']?.paths).toEqual(['overture/*']);
  });

  it.each([
    ['a list of targets', { ...targets, targets: [] }, ''],
    ['a target that is a text', { ...targets, targets: { a: 'x' } }, 'targets must be an object'],
    ['a target without a length', { ...targets, targets: { a: { hashes: {} } } }, 'length must be a number'],
    ['a role twice', { ...targets, delegations: { keys: {}, roles: [role('a'), role('a')] } }, 'duplicate'],
    ['a role called root', { ...targets, delegations: { keys: {}, roles: [role('root')] } }, 'conflicts'],
    ['roles that are no list', { ...targets, delegations: { keys: {}, roles: 1 } }, 'roles is malformed'],
    ['no version', { ...targets, version: undefined }, 'version'],
  ])('refuse %s as before', (_what, data, why) => {
    if (why === '') expect(Targets.fromJSON(data as never).targets).toEqual({});
    else expect(() => Targets.fromJSON(data as never)).toThrow(why);
  });

  it('take 10,000 entries within the time of a test', () => {
    const meta = manyFiles(10_000);
    expect(Object.keys(Snapshot.fromJSON({ ...snapshot, meta }).toJSON()['meta'] as object)).toHaveLength(10_000);
  });
});
