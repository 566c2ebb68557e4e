import type { ReleaseSource } from './release-source.js';

/**
 * Facts may be asked for while a release is staged, and both ask the signed catalog. Each of them replaces the trusted metadata by what it has
 * seen, so they follow each other: the slower one must not put back what was older.
 */
export function oneAfterTheOther(source: ReleaseSource): ReleaseSource {
  let last: Promise<unknown> = Promise.resolve();
  const queued = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work);
    last = next.catch(() => undefined); // Who asked is told; the next one asks for itself.
    return next;
  };
  return {
    ...source,
    fetchRelease: (...asked) => queued(() => source.fetchRelease(...asked)),
    fetchManifest: (...asked) => queued(() => source.fetchManifest(...asked)),
  };
}
