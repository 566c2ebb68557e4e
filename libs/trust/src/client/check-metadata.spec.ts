import { MAX_WITHDRAWN, WITHDRAWN_FIELD } from '@lastcall/kernel';
import { checkMetadata, METADATA_LIMITS, type MetadataKind } from './check-metadata.js';
import { TrustRefusal } from './refusal.js';

/*
 * Each field of each kind of metadata, spoiled in each way that a verifier could stumble over.
 */

type Json = Record<string, unknown>;

const SHA = 'ab'.repeat(32);
const KEY = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: SHA } };
const header = (kind: string) => ({ _type: kind, spec_version: '1.0.31', version: 1, expires: '2030-01-31T12:00:00Z' });
const role = (id: string) => ({ keyids: [id], threshold: 1 });
const file = { version: 1, length: 10, hashes: { sha256: SHA } };
const delegated = { name: 'product-encore', ...role('k'), terminating: true, paths: ['encore/*/*'] };

const SIGNED: Readonly<Record<MetadataKind, Json>> = {
  root: {
    ...header('root'),
    consistent_snapshot: true,
    keys: { a: KEY, b: { ...KEY, keyval: { public: 'cd'.repeat(32) } } },
    roles: { root: role('a'), timestamp: role('a'), snapshot: role('a'), targets: role('a') },
  },
  timestamp: { ...header('timestamp'), meta: { 'snapshot.json': file } },
  snapshot: { ...header('snapshot'), meta: { 'targets.json': file, 'product-encore.json': { version: 3 } } },
  targets: {
    ...header('targets'),
    targets: { 'encore/1.0.0/lastcall.yaml': { length: 0, hashes: { sha256: SHA }, custom: { any: [1] } } },
    delegations: { keys: { k: KEY }, roles: [delegated] },
  },
};

const envelope = (kind: MetadataKind): Json =>
  structuredClone({ signed: SIGNED[kind], signatures: [{ keyid: 'a', sig: 'ff' }] });

/** Sets what is at the path; undefined removes it. */
function spoiled(kind: MetadataKind, path: readonly (string | number)[], value: unknown): Buffer {
  const json = envelope(kind);
  const inner = path.slice(0, -1).reduce<unknown>((at, key) => (at as Json)[key], json) as Json;
  const last = path.at(-1) as string;
  if (value === undefined) delete inner[last];
  // Not by assignment: `__proto__` has to be a field as in the text of a file.
  else Object.defineProperty(inner, last, { value, enumerable: true, configurable: true, writable: true });
  return Buffer.from(JSON.stringify(json));
}

const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`);
const object = (count: number, value: unknown): Json => Object.fromEntries(many(count).map((name) => [name, value]));

type Case = readonly [MetadataKind, readonly (string | number)[], unknown, RegExp];
const S = 'signed';
const KINDS: readonly MetadataKind[] = ['root', 'timestamp', 'snapshot', 'targets'];

const OF_ALL: readonly Case[] = KINDS.flatMap((kind): Case[] => [
  [kind, ['signatures'], undefined, /signatures has to be a list/],
  [kind, ['signatures'], {}, /signatures has to be a list/],
  [kind, ['signatures'], many(METADATA_LIMITS.signatures + 1), /at most 100/],
  [kind, ['signatures', 0], 'x', /signatures\[0\] has to be an object/],
  [kind, ['signatures', 0, 'keyid'], 7, /signatures\[0\].keyid/],
  [kind, ['signatures', 0, 'keyid'], '', /signatures\[0\].keyid/],
  [kind, ['signatures', 0, 'keyid'], '__proto__', /signatures\[0\].keyid/],
  [kind, ['signatures', 0, 'sig'], null, /signatures\[0\].sig/],
  [kind, ['signatures', 0, 'sig'], 'f'.repeat(5_000), /4096/],
  [
    kind,
    ['signatures'],
    [
      { keyid: 'a', sig: '' },
      { keyid: 'a', sig: 'ff' },
    ],
    /signatures\[1\].keyid is there twice/,
  ],
  [kind, [S], undefined, /signed has to be an object/],
  [kind, [S], [], /signed has to be an object/],
  [kind, [S, '_type'], 'mirrors', /signed._type has to be/],
  [kind, [S, '_type'], undefined, /signed._type has to be/],
  [kind, [S, 'spec_version'], '2.0.0', /spec_version/],
  [kind, [S, 'spec_version'], 1, /spec_version/],
  [kind, [S, 'version'], 0, /signed.version/],
  [kind, [S, 'version'], 1.5, /signed.version/],
  [kind, [S, 'version'], '1', /signed.version/],
  [kind, [S, 'version'], 2 ** 53, /signed.version/],
  [kind, [S, 'version'], undefined, /signed.version/],
  ...[
    undefined,
    0,
    '9999',
    'soon',
    '2030-02-30T00:00:00Z',
    '2030-01-31T25:00:00Z',
    '2030-01-31T12:00:00+02:00',
    '2030-01-31',
  ].map((expires): Case => [kind, [S, 'expires'], expires, /signed.expires/]),
]);

const OF_ROOT: readonly Case[] = [
  ['root', [S, 'consistent_snapshot'], false, /consistent_snapshot/],
  ['root', [S, 'keys'], [], /signed.keys has to be an object/],
  ['root', [S, 'keys'], object(METADATA_LIMITS.keys + 1, KEY), /at most 200/],
  ['root', [S, 'keys', 'a'], 'key', /signed.keys.a has to be an object/],
  ['root', [S, 'keys', '__proto__'], KEY, /signed.keys.__proto__ is no name/],
  ['root', [S, 'keys', 'a', 'keytype'], undefined, /keytype/],
  ['root', [S, 'keys', 'a', 'scheme'], 3, /scheme/],
  ['root', [S, 'keys', 'a', 'keyval'], undefined, /keyval.public/],
  ['root', [S, 'keys', 'a', 'keyval'], { public: '' }, /keyval.public/],
  ['root', [S, 'keys', 'a', 'keyval'], { public: 'x'.repeat(9_000) }, /keyval.public/],
  ['root', [S, 'roles'], undefined, /signed.roles/],
  ...['root', 'timestamp', 'snapshot', 'targets'].flatMap((name): Case[] => [
    ['root', [S, 'roles', name], undefined, new RegExp(`signed.roles.${name} has to be`)],
    ['root', [S, 'roles', name, 'threshold'], 0, new RegExp(`${name}.threshold`)],
    ['root', [S, 'roles', name, 'threshold'], -1, new RegExp(`${name}.threshold`)],
    ['root', [S, 'roles', name, 'threshold'], '1', new RegExp(`${name}.threshold`)],
    ['root', [S, 'roles', name, 'keyids'], 'a', new RegExp(`${name}.keyids`)],
    ['root', [S, 'roles', name, 'keyids'], ['a', 'a'], new RegExp(`${name}.keyids names a key twice`)],
  ]),
  ['root', [S, 'roles', 'admin'], role('a'), /only/],
];

const OF_META: readonly Case[] = (
  [
    ['timestamp', 'snapshot.json'],
    ['snapshot', 'targets.json'],
  ] as const
).flatMap(([kind, name]): Case[] => [
  [kind, [S, 'meta'], undefined, /signed.meta has to be/],
  [kind, [S, 'meta'], [], /signed.meta has to be/],
  [kind, [S, 'meta'], {}, new RegExp(`has to name ${name}`)],
  [kind, [S, 'meta', name], 1, /has to be an object/],
  [kind, [S, 'meta', name, 'version'], 0, /version/],
  [kind, [S, 'meta', name, 'version'], undefined, /version/],
  [kind, [S, 'meta', name, 'length'], 0, /length/],
  [kind, [S, 'meta', name, 'length'], -5, /length/],
  [kind, [S, 'meta', name, 'length'], '10', /length/],
  [kind, [S, 'meta', name, 'hashes'], {}, /hashes has to have/],
  [kind, [S, 'meta', name, 'hashes'], { md5: 'ab'.repeat(16) }, /hashes.md5 is no hash/],
  [kind, [S, 'meta', name, 'hashes'], { sha256: 'ab' }, /64 digits/],
  [kind, [S, 'meta', name, 'hashes'], { sha256: SHA.toUpperCase() }, /64 digits/],
  [kind, [S, 'meta', name, 'hashes'], { constructor: SHA }, /is no hash/],
]);

const OF_TARGETS: readonly Case[] = [
  ['timestamp', [S, 'meta', 'targets.json'], file, /at most 1/],
  ['snapshot', [S, 'meta', '__proto__'], file, /no name of metadata/],
  ['snapshot', [S, 'meta', 'other'], file, /no name of metadata/],
  ['snapshot', [S, 'meta'], object(METADATA_LIMITS.metaFiles + 1, file), /at most 10000/],
  ...['encore/1.0.0', [1], ['encore'], ['a/b/c'], Array(MAX_WITHDRAWN + 1).fill('encore/1.0.0')].map((value): Case => [
    'snapshot',
    [S, WITHDRAWN_FIELD],
    value,
    /list of at most 1000 texts as product\/version/,
  ]),
  ['targets', [S, 'targets'], undefined, /signed.targets has to be/],
  ['targets', [S, 'targets'], object(METADATA_LIMITS.targets + 1, file), /at most 2000/],
  ...['/a', 'a//b', '../a', 'a/./b', 'a\\b', 'a\nb', '__proto__', 'toString', '', 'a'.repeat(2_000)].map(
    (path): Case => ['targets', [S, 'targets', path], file, /no path of a target/],
  ),
  ['targets', [S, 'targets', 'a'], null, /has to be an object/],
  ['targets', [S, 'targets', 'a'], { length: -1, hashes: { sha256: SHA } }, /length/],
  ['targets', [S, 'targets', 'a'], { length: 2 ** 60, hashes: { sha256: SHA } }, /length/],
  ['targets', [S, 'targets', 'a'], { length: 1 }, /hashes/],
  ['targets', [S, 'targets', 'a'], { length: 1, hashes: { sha256: 7 } }, /64 digits/],
  ['targets', [S, 'targets', 'a'], { length: 1, hashes: { sha256: SHA }, custom: 'x' }, /custom/],
  ['targets', [S, 'delegations'], [], /delegations has to be/],
  ['targets', [S, 'delegations', 'keys'], undefined, /delegations.keys/],
  ['targets', [S, 'delegations', 'roles'], undefined, /delegations.roles/],
  ['targets', [S, 'delegations', 'roles'], [delegated, delegated], /roles\[1\].name is there twice/],
  ['targets', [S, 'delegations', 'roles', 0], 'x', /roles\[0\] has to be/],
  ['targets', [S, 'delegations', 'succinct_roles'], {}, /not supported/],
  ...['root', 'targets', 'snapshot', 'timestamp'].map((name): Case => [
    'targets',
    [S, 'delegations', 'roles', 0, 'name'],
    name,
    /a role of its own/,
  ]),
  ['targets', [S, 'delegations', 'roles', 0, 'name'], 'constructor', /name has to be a name/],
  ['targets', [S, 'delegations', 'roles', 0, 'terminating'], 'yes', /terminating/],
  ['targets', [S, 'delegations', 'roles', 0, 'threshold'], 0, /threshold/],
  ['targets', [S, 'delegations', 'roles', 0, 'keyids'], ['k', 'k'], /names a key twice/],
  ['targets', [S, 'delegations', 'roles', 0, 'paths'], undefined, /either paths or/],
  ['targets', [S, 'delegations', 'roles', 0, 'path_hash_prefixes'], ['ab'], /either paths or/],
  ...['[ab]*', '{a,b}', '!a', 'a**', '(a)', 'a\\b', ''].map((pattern): Case => [
    'targets',
    [S, 'delegations', 'roles', 0, 'paths'],
    [pattern],
    /paths has to be/,
  ]),
];

describe('the form of metadata', () => {
  it.each(KINDS)('%s as it should be is taken', (kind) => {
    expect(() => checkMetadata(kind, Buffer.from(JSON.stringify(envelope(kind))), 'f')).not.toThrow();
  });

  it.each([...OF_ALL, ...OF_ROOT, ...OF_META, ...OF_TARGETS])('%s: %j as %j', (kind, path, value, words) => {
    const check = () => checkMetadata(kind, spoiled(kind, path, value), 'f.json');
    expect(check).toThrow(words);
    expect(check).toThrow(TrustRefusal);
  });

  it.each([
    ...KINDS.flatMap((kind) => [[], [S], ['signatures', 0]].map((path) => [kind, path] as const)),
    ['root', [S, 'keys', 'a']],
    ['root', [S, 'keys', 'a', 'keyval']],
    ['root', [S, 'roles', 'root']],
    ['timestamp', [S, 'meta', 'snapshot.json']],
    ['snapshot', [S, 'meta', 'targets.json']],
    ['targets', [S, 'targets', 'encore/1.0.0/lastcall.yaml']],
    ['targets', [S, 'delegations']],
    ['targets', [S, 'delegations', 'roles', 0]],
  ] as const)('%s: an unknown field is tolerated at %j', (kind, path) => {
    const extended = spoiled(kind, [...path, 'x-new'], { any: [1.5, null] });
    expect(() => checkMetadata(kind, extended, 'f')).not.toThrow();
  });

  it('the same key under two names is refused where it would count twice', () => {
    const twice = envelope('root') as { signed: { keys: Json; roles: Record<string, Json> } };
    twice.signed.keys['c'] = KEY;
    const check = () => checkMetadata('root', Buffer.from(JSON.stringify(twice)), 'f');
    expect(check).not.toThrow();
    twice.signed.roles['snapshot'] = { keyids: ['a', 'c'], threshold: 2 };
    expect(check).toThrow(/signed.roles.snapshot.keyids has the same key under two names/);
  });

  it('names up to five fields at once, and how many more', () => {
    const check = () => checkMetadata('root', Buffer.from('{"signed":{}}'), 'f');
    expect(check).toThrow(/signatures.*_type.*spec_version.*signed.version.*expires .* and 3 more/);
  });
});
