import fc from 'fast-check';
import { diffDemands, diffFiles, type FileOfTree, type FilesOf } from './release-diff.js';

const file = (path: string, sha256 = path, size = 10, mode = 0o644): FileOfTree => ({ path, sha256, size, mode });
const server = (...files: FileOfTree[]): FilesOf[] => [{ role: 'server', platform: 'any', files }];

describe('what changes from one release to another', () => {
  it('is said file by file', () => {
    const before = server(file('a'), file('b'), file('gone', 'x', 7), file('mode'));
    const after = server(file('a'), file('b', 'b2', 20), file('mode', 'mode', 10, 0o755), file('new', 'n', 5));
    expect(diffFiles(before, after)).toEqual([
      {
        ...{ role: 'server', platform: 'any', unchanged: 1, transferBytes: 25 },
        changes: [
          { kind: 'changed', path: 'b', bytesBefore: 10, bytesAfter: 20 },
          { kind: 'removed', path: 'gone', bytesBefore: 7, bytesAfter: 0 },
          { kind: 'changed', path: 'mode', bytesBefore: 10, bytesAfter: 10 },
          { kind: 'added', path: 'new', bytesBefore: 0, bytesAfter: 5 },
        ],
      },
    ]);
  });

  it('costs nothing for what was moved or copied, and once for what is new twice', () => {
    const after = server(file('b', 'a'), file('c', 'a'), file('d', 'n', 5), file('e', 'n', 5));
    expect(diffFiles(server(file('a')), after)[0]).toMatchObject({ transferBytes: 5, unchanged: 0 });
  });

  it('is whole for a role that only one of them has', () => {
    const ts: FilesOf = { role: 'terminal-server', platform: 'any', files: [file('c', 'c', 3)] };
    expect(diffFiles(server(file('a')), [ts])).toMatchObject([
      { role: 'server', transferBytes: 0, changes: [{ kind: 'removed', path: 'a' }] },
      { role: 'terminal-server', transferBytes: 3, changes: [{ kind: 'added', path: 'c' }] },
    ]);
  });

  const tree = fc
    .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('x', 'y', 'z')), {
      selector: ([p]) => p,
    })
    .map((files) => server(...files.map(([path, sha256]) => file(path, sha256))));

  it('is the same seen from the other side, and nothing between equals', () => {
    const other = { added: 'removed', removed: 'added', changed: 'changed' } as const;
    fc.assert(
      fc.property(tree, tree, (a, b) => {
        const forth = diffFiles(a, b)[0];
        const back = diffFiles(b, a)[0];
        expect(back?.changes.map((c) => [other[c.kind], c.path, c.bytesAfter, c.bytesBefore])).toEqual(
          forth?.changes.map((c) => [c.kind, c.path, c.bytesBefore, c.bytesAfter]),
        );
        expect(back?.unchanged).toBe(forth?.unchanged);
        expect(diffFiles(a, a)[0]).toMatchObject({ changes: [], transferBytes: 0 });
      }),
    );
  });

  it('names what is demanded otherwise', () => {
    const before = { cpus: 2, ports: [80, 443], os: ['linux 5'], same: 'x', memory: 0 };
    expect(diffDemands(before, { cpus: 4, ports: [443], os: ['linux 5'], same: 'x', memory: 1 })).toEqual([
      { name: 'cpus', before: '2', after: '4' },
      { name: 'ports', before: '80, 443', after: '443' },
      { name: 'memory', before: '', after: '1' },
    ]);
  });
});
