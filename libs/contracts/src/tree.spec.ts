import fc from 'fast-check';
import { isRejected, type Rejected } from '@lastcall/kernel';
import { checkTree, checkTreePath, formatTree, parseTree, type Tree, type TreeEntry } from './tree.js';

const SHA = 'a'.repeat(64);
const file = (path: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  path,
  mode: 0o644,
  size: 1,
  sha256: SHA,
  ...more,
});

function tree(value: Tree | Rejected): Tree {
  if (isRejected(value)) throw new Error(value.message);
  return value;
}

function violations(value: Tree | Rejected): readonly string[] {
  return isRejected(value) ? value.violations.map((v) => `${v.field}: ${v.description}`) : [];
}

describe('checkTreePath', () => {
  it.each(['a', 'bin/server.js', '.env', 'ä/ö.txt', 'a b/c', 'console.log', 'com10', 'x'.repeat(255), '日本/語'])(
    'allows %s',
    (path) => expect(checkTreePath('path', path)).toBeUndefined(),
  );

  it.each([
    ['', 'empty'],
    ['/etc/passwd', 'absolute'],
    ['C:/x', 'U+003A'],
    ['a:stream', 'U+003A'],
    ['..', 'leads elsewhere'],
    ['a/../b', 'leads elsewhere'],
    ['./a', 'leads elsewhere'],
    ['a//b', 'empty part'],
    ['a/', 'empty part'],
    ['a\\b', 'U+005C'],
    ['a\u0000b', 'U+0000'],
    ['a\u202eb', 'U+202E'],
    ['a\ud800', 'U+D800'],
    ['a./b', 'dot or a space'],
    ['a ', 'dot or a space'],
    ['CON', 'device'],
    ['sub/nul.txt', 'device'],
    ['sub/Com1', 'device'],
    ['lpt¹.log', 'device'],
    ['aux .txt', 'device'],
    ['CONIN$', 'device'],
    ['a\u0308', 'normal form C'],
    ['x'.repeat(256), '255 bytes'],
    [`${'a/'.repeat(600)}a`, '1024 bytes'],
    [`${'a/'.repeat(64)}a`, '64 parts'],
  ])('refuses %j: %s', (path, rule) =>
    expect(checkTreePath('path', path)).toMatchObject({ field: 'path', description: expect.stringContaining(rule) }),
  );

  it('never lets a path out of the folder, whatever it is made of', () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'B', '/', '\\', ' ', 'C:', 'nul');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.constantFrom('/', '\\'), (parts, separator) => {
        const path = parts.join(separator);
        if (checkTreePath('path', path)) return;
        const segments = path.split('/');
        expect(segments.every((s) => !['', '.', '..'].includes(s) && !/[\\:]/.test(s))).toBe(true);
      }),
    );
  });
});

describe('checkTree', () => {
  it('puts the files in order and adds their sizes up', () => {
    const checked = tree(checkTree([file('b', { size: 2 }), file('a/z'), file('B2')]));
    expect(checked.files.map((f) => f.path)).toEqual(['B2', 'a/z', 'b']);
    expect(checked.totalBytes).toBe(4);
  });

  it('allows a tree without files', () => expect(tree(checkTree([]))).toEqual({ files: [], totalBytes: 0 }));

  it.each([
    ['files', [file('Readme'), file('README')]],
    ['the same file twice', [file('a'), file('a')]],
    ['folders', [file('Lib/a'), file('lib/b')]],
    ['a file and a folder', [file('lib'), file('lib/b')]],
    ['a folder and a file', [file('lib/b'), file('LIB')]],
    ['compatibility forms', [file('ﬁle'), file('file')]],
    ['sharp s', [file('straße'), file('STRASSE')]],
  ])('refuses twins: %s', (_, files) =>
    expect(violations(checkTree(files))).toEqual([expect.stringContaining('files[1].path')]),
  );

  it('names every wrong field at once', () =>
    expect(
      violations(checkTree([file('../x', { mode: 0o4755, size: -1, sha256: SHA.toUpperCase() }), file('ok')])),
    ).toHaveLength(4));

  it('stops counting at a hundred', () =>
    expect(violations(checkTree(Array.from({ length: 500 }, () => file('..'))))).toHaveLength(100));

  it('keeps to the limits', () => {
    const limits = { maxFiles: 2, maxFileBytes: 10, maxTotalBytes: 15 };
    expect(violations(checkTree([file('a'), file('b'), file('c')], 'files', limits))[0]).toContain('at most 2');
    expect(violations(checkTree([file('a', { size: 11 })], 'files', limits))[0]).toContain('10 bytes');
    expect(violations(checkTree([file('a', { size: 8 }), file('b', { size: 8 })], 'files', limits))[0]).toContain('15');
  });
});

describe('parseTree', () => {
  it('reads what formatTree writes, the same bytes for any order', () => {
    const files = [file('b'), file('a')];
    const text = formatTree({ files });
    expect(text).toBe(formatTree({ files: files.toReversed() }));
    expect(formatTree(tree(parseTree(text)))).toBe(text);
    expect(formatTree(tree(parseTree(Buffer.from(text))))).toBe(text);
  });

  it('reads any layout of the text, and names with every sign that JSON knows', () => {
    const files = [file("a{b}[c],'d'}{"), file('z'), file('é/日本')];
    const text = JSON.stringify({ files }, undefined, 2);
    expect(tree(parseTree(` ${text}\n`)).files.map(({ path }) => path)).toEqual(files.map(({ path }) => path));
    expect(tree(parseTree(text.replace('z', '\\u007a'))).files[1]?.path).toBe('z');
    expect(tree(parseTree(' { "files" : [ ] } '))).toEqual({ files: [], totalBytes: 0 });
  });

  const one = `{"path":"a","mode":420,"size":1,"sha256":"${SHA}"}`;
  it.each([
    `{"files":[${one},]}`,
    `{"files":[,${one}]}`,
    `{"files":[${one}${one}]}`,
    `{"files":[${one}]`,
    `{"files":[${one}]}}`,
    `{"files":[${one}]} x`,
    `{"files":[${one}],"more":1}`,
    `{"files":[[${one}]]}`,
    `{"files":[{"path":{"a":1},"mode":420,"size":1,"sha256":"${SHA}"}]}`,
    `{"files":[{"path":"a" "mode":420}]}`,
    `{"files":[{"path":"${'x'.repeat(20_000_000)}`,
    `{"files":[{${' '.repeat(20_000_000)}`,
  ])('refuses what is almost a tree (%#)', (text) => expect(violations(parseTree(text)).length).toBeGreaterThan(0));

  it.each([
    '',
    '[]',
    'null',
    '{}',
    '{"files":{}}',
    '{"files":[],"x":1}',
    '{"files":[null]}',
    `{"files":[{"path":"a","mode":420,"size":1,"sha256":"${SHA}","link":"/etc/passwd"}]}`,
    `{"files":[{"path":"a","mode":"420","size":1,"sha256":"${SHA}"}]}`,
    `{"files":[{"path":"a","size":1,"sha256":"${SHA}"}]}`,
    `{"files":[{"path":"a","mode":420,"size":1.5,"sha256":"${SHA}"}]}`,
    `{"files":[{"path":"a","mode":420,"size":1e99,"sha256":"${SHA}"}]}`,
  ])('refuses %s', (text) => expect(violations(parseTree(text)).length).toBeGreaterThan(0));
});
