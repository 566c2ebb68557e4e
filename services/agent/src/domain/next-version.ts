import type { CompareVersions } from '@lastcall/kernel';

/*
 * "Which version comes next on this seat?", answered from what is signed, without a server: the newest release that the
 * installed version may take by itself (`obstacleTo`, read from the signed manifests).
 */

/** Versions that are newer than the installed one, newest first. */
export function newerVersions(
  installed: string,
  signed: readonly string[],
  compare: CompareVersions,
): readonly string[] {
  return signed
    .filter((version) => installed === '' || compare(version, installed) > 0)
    .toSorted((a, b) => compare(b, a));
}
