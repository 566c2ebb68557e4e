import fc from 'fast-check';
import { choose } from './retention.js';

const file = (sha256: string, size: number) => ({ path: sha256, sha256, size, mode: 0o644 });
const release = (version: string, ...files: ReturnType<typeof file>[]) => ({ version, tree: { files } });

describe('versions that stay', () => {
  const current = release('3', file('a', 10), file('c', 5));
  const previous = release('2', file('a', 10), file('b', 5));
  const [one, zero] = [release('1', file('a', 10), file('x', 5)), release('0', file('y', 50))];

  it('are as many as are wanted', () => {
    expect(choose([current, previous], [one, zero], { versions: 3, maxBytes: 1_000 })).toEqual(['1']);
    expect(choose([current, previous], [one, zero], { versions: 4, maxBytes: 1_000 })).toEqual(['1', '0']);
    expect(choose([current, previous], [one, zero], { versions: 2, maxBytes: 1_000 })).toEqual([]);
  });
  it('fit into the budget, and what they share counts once', () => {
    expect(choose([current, previous], [one, zero], { versions: 9, maxBytes: 25 })).toEqual(['1']);
    expect(choose([current, previous], [one, zero], { versions: 9, maxBytes: 24 })).toEqual([]);
  });

  const anyRelease = fc
    .array(fc.record({ hash: fc.nat(6), size: fc.nat(20) }), { maxLength: 5 })
    .map((files) => files.map(({ hash, size }) => file(`h${hash}-${size}`, size)));
  it('are the newest of the older ones, in number and bytes within the policy', () =>
    fc.assert(
      fc.property(
        fc.array(anyRelease, { maxLength: 2 }),
        fc.array(anyRelease, { maxLength: 6 }),
        fc.integer({ min: 2, max: 6 }),
        fc.nat(120),
        (keptFiles, olderFiles, versions, maxBytes) => {
          const kept = keptFiles.map((files, i) => release(`kept-${i}`, ...files));
          const older = olderFiles.map((files, i) => release(`old-${i}`, ...files));
          const chosen = choose(kept, older, { versions, maxBytes });
          expect(chosen).toEqual(older.slice(0, chosen.length).map((r) => r.version));
          expect(kept.length + chosen.length).toBeLessThanOrEqual(Math.max(versions, kept.length));
          const all = [...kept, ...older.slice(0, chosen.length)].flatMap((r) => r.tree.files);
          const bytes = [...new Map(all.map((f) => [f.sha256, f.size])).values()].reduce((a, b) => a + b, 0);
          if (chosen.length > 0) expect(bytes).toBeLessThanOrEqual(maxBytes);
        },
      ),
    ));
});
