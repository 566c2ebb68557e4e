import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Whether somebody still keeps the packages that our code asks for: the last release and how many there were in the two years before the look, as the
 * registry says. `tools/dependency-upkeep.json` has what the last look found, so that the check needs no network.
 */

const FILE = join(import.meta.dirname, 'dependency-upkeep.json');
const YEARS_2_MS = 2 * 365.25 * 86_400_000;
/** Looked at: no release for two years, and why that is no reason to leave the package out. */
const QUIET = {
  '@tufjs/canonical-json':
    '64 finished lines, which @tufjs/models needs too; clients of others verify what is signed with them (trust-python.int.spec.ts)',
};

/** What the last look found: `{ lookedAt, packages: { name: { version, releasedAt, releases } } }`, days as 2026-11-30. */
export const readUpkeep = () => JSON.parse(readFileSync(FILE, 'utf8'));

/** Asks the registry about each package, by the ordinary client. */
export function lookAgain(names, now = new Date()) {
  const packages = Object.fromEntries(names.map((name) => [name, releasesOf(name, now)]));
  writeFileSync(FILE, `${JSON.stringify({ lookedAt: dayOf(now), packages }, null, 2)}\n`);
}

function releasesOf(name, now) {
  const times = JSON.parse(execFileSync('npm', ['view', name, 'time', '--json'], { encoding: 'utf8' }));
  const newestFirst = Object.keys(times)
    .filter((version) => /^\d+\.\d+\.\d+$/.test(version))
    .toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  if (newestFirst.length === 0) throw new Error(`the registry has no release of ${name}`);
  // A mirror may tell the day on which it fetched an old release; none is younger than the one that came after it.
  let at = Infinity;
  const releases = newestFirst.map((version) => ({ version, at: (at = Math.min(at, Date.parse(times[version]))) }));
  const [last] = releases;
  const recent = releases.filter((release) => release.at > now.getTime() - YEARS_2_MS);
  return { version: last.version, releasedAt: dayOf(new Date(last.at)), releases: recent.length };
}

const dayOf = (date) => date.toISOString().slice(0, 10);

/** One sentence for each that nobody has looked at, or that nobody seems to keep. */
export function problemsOfUpkeep({ lookedAt, packages }, names, now = Date.now()) {
  const again = 'run node tools/dependency-review.mjs --look-again';
  const stale =
    now - Date.parse(lookedAt) > YEARS_2_MS ? [`nobody has looked at the packages since ${lookedAt}: ${again}`] : [];
  const ofNames = names.flatMap((name) => {
    const found = packages[name];
    if (found === undefined) return [`nobody has looked whether ${name} is kept: ${again}`];
    const isQuiet = Date.parse(lookedAt) - Date.parse(found.releasedAt) > YEARS_2_MS;
    if (!isQuiet || QUIET[name]) return [];
    return [
      `${name} had no release since ${found.releasedAt}: look at it, then say in QUIET why it stays, or leave it out`,
    ];
  });
  return [...stale, ...ofNames];
}

/** For the table: last release, its day, releases in two years. */
export function cellsOfUpkeep({ packages }, name) {
  const found = packages[name];
  return found === undefined ? ['?', '?', '?'] : [found.version, found.releasedAt, found.releases];
}

export const quietOnes = () =>
  Object.entries(QUIET).map(([name, why]) => `- ${name} had no release in that time: ${why}.`);
