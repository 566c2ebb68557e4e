import fc from 'fast-check';
import { PACKED_MAX_BYTES, packedBetween, packOf } from './pack.js';

const blob = (name: string, size: number) => ({ sha256: name, size });

describe('packOf', () => {
  it('has each small blob once, in order, without gaps', () => {
    const files = [blob('a', 5), blob('b', 7), blob('a', 5), blob('c', 1)];
    expect(packOf(files)).toEqual({
      blobs: [
        { sha256: 'a', size: 5, offset: 0 },
        { sha256: 'b', size: 7, offset: 5 },
        { sha256: 'c', size: 1, offset: 12 },
      ],
      totalBytes: 13,
    });
  });

  it('leaves out what is empty and what is large', () => {
    const sizes = [0, PACKED_MAX_BYTES, PACKED_MAX_BYTES + 1];
    expect(packOf(sizes.map((size) => blob(`${size}`, size))).blobs.map((b) => b.size)).toEqual([PACKED_MAX_BYTES]);
  });

  it('finds exactly the blobs of any range', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (list, a, b) => {
        const pack = packOf(list.map((size, i) => blob(`${i}`, size)));
        const [start = 0, end = 0] = [a % pack.totalBytes, b % pack.totalBytes].toSorted((x, y) => x - y);
        const expected = pack.blobs.filter((p) => p.offset <= end && p.offset + p.size > start);
        expect(packedBetween(pack, start, end)).toEqual(expected);
      }),
    );
  });
});
