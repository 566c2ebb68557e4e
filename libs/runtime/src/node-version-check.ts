/*
 * Imported before everything else: on an older Node one of the next imports would fail with a text that helps nobody.
 */

const NEEDED_MAJOR = 24;

/** What to tell somebody whose Node is too old; undefined when it is not. */
export function nodeTooOld(version: string): string | undefined {
  if (Number(version.split('.')[0]) >= NEEDED_MAJOR) return undefined;
  return `Lastcall needs Node ${NEEDED_MAJOR} or newer and this is ${version}: start it through "npm run" or install a newer Node.`;
}

const problem = nodeTooOld(process.versions.node);
if (problem !== undefined) {
  process.stderr.write(`${problem}\n`);
  process.exit(2);
}
