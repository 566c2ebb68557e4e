import { PACKED_MAX_BYTES, packOf, type TreeEntry } from '@lastcall/contracts';
import fc from 'fast-check';
import { planDownloads } from './download-plan.js';

const entry = (name: string, size: number): TreeEntry => ({ path: name, mode: 0o644, size, sha256: name });

describe('planDownloads', () => {
  it('takes neighbours together, large files first, and one alone by its name', () => {
    const files = [entry('a', 1), entry('b', 2), entry('c', 3), entry('d', 4), entry('big', PACKED_MAX_BYTES + 1)];
    const lacking = files.filter(({ path }) => path !== 'c');
    expect(planDownloads(files, lacking)).toMatchObject({
      downloads: [
        { kind: 'blob', entry: { path: 'big' } },
        { kind: 'blob', entry: { path: 'd' } },
        { kind: 'run', run: { blobs: [{ sha256: 'a' }, { sha256: 'b' }] } },
      ],
      packBytes: 10,
    });
  });

  it('fetches exactly what is lacking, each once, and runs without gaps', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: PACKED_MAX_BYTES * 2 }), { maxLength: 60 });
    fc.assert(
      fc.property(sizes, fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), (list, isLacking) => {
        const files = list.map((size, i) => entry(`${i}`, size));
        const lacking = files.filter((_, i) => isLacking[i]);
        const { downloads } = planDownloads(files, lacking);
        const names = downloads.flatMap((d) =>
          d.kind === 'blob' ? [d.entry.sha256] : d.run.blobs.map(({ sha256 }) => sha256),
        );
        expect(names.toSorted()).toEqual(lacking.map(({ sha256 }) => sha256).toSorted());
        const places = new Map(packOf(files).blobs.map((blob) => [blob.sha256, blob.offset]));
        for (const download of downloads) {
          if (download.kind === 'blob') continue;
          const { blobs } = download.run;
          expect(blobs.length).toBeGreaterThan(1);
          blobs.forEach((blob, i) => {
            expect(blob.offset).toBe(places.get(blob.sha256));
            const before = blobs[i - 1];
            if (before) expect(blob.offset).toBe(before.offset + before.size);
          });
        }
      }),
    );
  });
});
