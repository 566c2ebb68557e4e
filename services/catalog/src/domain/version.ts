/*
 * Order of semantic versions (semver 2.0, section 11) as order of plain texts, so that an index of the store and the
 * domain agree about what is newer. Build metadata does not count.
 */

/** Numbers compare as numbers and come before words. */
function identifierKey(identifier: string): string {
  const isNumber = /^\d+$/.test(identifier);
  return isNumber ? `0${String(identifier.length).padStart(2, '0')}${identifier}` : `1${identifier}`;
}

/** A text that sorts, by code units, as the version does. */
export function versionKey(version: string): string {
  const [core = '', prerelease] = /^([^-+]*)(?:-([^+]*))?/.exec(version)?.slice(1) ?? [];
  const numbers = core.split('.').map((number) => number.padStart(9, '0'));
  // `-` sorts before `~`: a prerelease comes before its release. `!` sorts before all that an identifier may hold.
  const rest = prerelease === undefined ? '~' : `-${prerelease.split('.').map(identifierKey).join('!')}`;
  return numbers.join('.') + rest;
}

/** Negative when `a` is older, positive when it is newer, 0 when neither. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [versionKey(a), versionKey(b)];
  if (x === y) return 0;
  return x < y ? -1 : 1;
}

export function isNewer(a: string, b: string): boolean {
  return compareVersions(a, b) > 0;
}
