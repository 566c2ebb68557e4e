import { formatMirrorIndex, MIRROR_INDEX_MAX_BYTES, parseMirrorIndex, rootsOf } from './mirror-index.js';

const metadata = new Map([
  ['timestamp.json', '{"ü": 1}'],
  ['10.root.json', 'ten'],
  ['2.root.json', 'two'],
  ['2.product-encore.json', '{}'],
]);
const releases = [{ product: 'encore', version: '11.0.0' }];
const index = formatMirrorIndex({ metadata, releases });

const changed = (change: (json: Record<string, unknown>) => void): Buffer => {
  const json = JSON.parse(index.toString()) as Record<string, unknown>;
  change(json);
  return Buffer.from(JSON.stringify(json));
};

describe('a mirror index', () => {
  it('is read as it was written, byte for byte', () => {
    expect(parseMirrorIndex(index)).toMatchObject({ metadata, releases });
  });

  it('has its roots in the order of their numbers', () => {
    expect(rootsOf({ metadata }).map(({ text }) => text)).toEqual(['two', 'ten']);
  });

  it.each([
    ['no JSON', Buffer.from('{'), /is no mirror index/],
    ['nothing', Buffer.from('null'), /is no mirror index/],
    ['another format', changed((json) => (json['format'] = 'lastcall-mirror-2')), /"lastcall-mirror-1"/],
    ['no metadata', changed((json) => delete json['metadata']), /metadata files/],
    ['a file name that leads elsewhere', changed((json) => (json['metadata'] = [['../x.json', '']])), /metadata files/],
    ['a file without a text', changed((json) => (json['metadata'] = [['x.json']])), /metadata files/],
    ['a release without a version', changed((json) => (json['releases'] = [{ product: 'a' }])), /releases/],
    ['a release that is none', changed((json) => (json['releases'] = [null])), /releases/],
    ['too many bytes', Buffer.alloc(MIRROR_INDEX_MAX_BYTES + 1), /more than/],
  ])('of %s is refused in words', (_, bytes, words) => {
    expect(parseMirrorIndex(bytes)).toMatch(words);
  });
});
