/** Numbers of a version, so that 11.10 is above 11.9; what follows a hyphen makes it older than without. */
function parts(version: string): { numbers: readonly number[]; pre: string } {
  const [core = '', ...pre] = (version.split('+')[0] ?? '').split('-');
  return { numbers: core.split('.').map(Number), pre: pre.join('-') };
}

/**
 * Whether `version` is at least `demanded`: semantic versions, and the versions of operating systems, which have more or fewer
 * numbers and suffixes such as `6.1.0-18-amd64`. A suffix counts only when both have three numbers and one of them is
 * a pre-release of the very same numbers.
 */
export function isAtLeast(version: string, demanded: string): boolean {
  const have = parts(version);
  const want = parts(demanded);
  if (have.numbers.some(Number.isNaN)) return false;
  for (let i = 0; i < Math.max(have.numbers.length, want.numbers.length); i++) {
    const difference = (have.numbers[i] ?? 0) - (want.numbers[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return want.pre !== '' || have.pre === '' || /^\d/.test(have.pre);
}
