import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { format } from 'prettier';
import { cellsOfUpkeep, lookAgain, problemsOfUpkeep, quietOnes, readUpkeep } from './dependency-upkeep.mjs';
import { find, neededBy, readLock } from './images/production-packages.mjs';

/*
 * What reaches production from elsewhere: every package that a service, a library or the agent needs, directly or not, with its licence and
 * whether it wants to run scripts when it is installed; of those that our own code asks for also whether somebody keeps them. Writes
 * deploy/dependencies.md; `--check` fails when the file is not what would be written, when a licence is not one of those below, when a package has
 * scripts that nobody has looked at, or when nobody knows that it is kept. `--look-again` asks the registry for that first.
 */

const ROOT = resolve(import.meta.dirname, '..');
const FILE = join(ROOT, 'deploy/dependencies.md');
const LICENCES = new Set([
  ...['MIT', 'MIT-0', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'Unlicense'],
  ...['PSF-2.0', 'CC0-1.0', '(MIT OR CC0-1.0)', '(Apache-2.0 AND BSD-3-Clause)', '(ISC AND CC-BY-3.0)', 'Python-2.0'],
]);
/** Looked at: what the script does, and that Lastcall works without it (packages are installed with --ignore-scripts). */
const SCRIPTS = { protobufjs: 'prints a notice about versions; not needed' };

const lock = readLock(ROOT);
const found = new Map();

function take(key, by) {
  const entry = lock[key];
  if (entry.link) return;
  // Several copies of one version are one package here.
  const name = key.slice(key.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const id = `${name}@${entry.version}`;
  const known = found.get(id);
  if (known) return void (by && known.by.add(by));
  found.set(id, { name, entry, by: new Set(by ? [by] : []) });
  for (const needed of neededBy(lock, key)) {
    const next = find(lock, key, needed);
    if (next) take(next, undefined);
  }
}

for (const group of ['libs', 'services']) {
  for (const name of readdirSync(join(ROOT, group)).toSorted()) {
    if (name === 'testkit') continue;
    const { dependencies = {} } = lock[`${group}/${name}`] ?? {};
    for (const dependency of Object.keys(dependencies)) {
      const key = find(lock, `${group}/${name}`, dependency);
      if (key) take(key, `${group}/${name}`);
    }
  }
}

const rows = [...found]
  .map(([, { name, entry, by }]) => ({
    name,
    version: entry.version,
    licence: entry.license ?? 'none',
    scripts: entry.hasInstallScript === true,
    by: [...by].toSorted(),
  }))
  .toSorted((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1));

const direct = rows.filter(({ by }) => by.length > 0);
const others = rows.filter(({ by }) => by.length === 0);
const directNames = [...new Set(direct.map(({ name }) => name))];
if (process.argv.includes('--look-again')) lookAgain(directNames);
const upkeep = readUpkeep();

const problems = rows.flatMap(({ name, version, licence, scripts }) => [
  ...(LICENCES.has(licence)
    ? []
    : [`${name}@${version} has the licence ${licence}: look at it, then list it or leave the package out`]),
  ...(scripts && !SCRIPTS[name]
    ? [`${name}@${version} runs a script when it is installed: look at it, then list it`]
    : []),
]);

problems.push(...problemsOfUpkeep(upkeep, directNames));

const table = (list, row, head) => [head, head.replace(/[^|]+/g, '---'), ...list.map(row)].join('\n');
const text = await format(
  `# Packages that reach production

Written by \`node tools/dependency-review.mjs\` from the lock; \`npm run lint\` checks it. ${rows.length} packages, ${direct.length} of them
asked for by our own code. Versions are exact; packages are installed with \`--ignore-scripts\`.

## Asked for by our code

The last release and the releases of two years are those that the registry knew on ${upkeep.lookedAt}, a day being the latest that it can have been, and without alphas and betas (\`--look-again\` asks it anew).

${table(direct, (r) => `|${r.name}|${r.version}|${r.licence}|${cellsOfUpkeep(upkeep, r.name).join('|')}|${r.by.join(', ')}|${r.scripts ? SCRIPTS[r.name] : 'no'}|`, '|package|version|licence|last release|on|in two years|asked for by|install script|')}

${quietOnes().join('\n')}

## Asked for by those

${table(others, (r) => `|${r.name}|${r.version}|${r.licence}|${r.scripts ? SCRIPTS[r.name] : 'no'}|`, '|package|version|licence|install script|')}
`,
  { ...JSON.parse(readFileSync(join(ROOT, '.prettierrc.json'), 'utf8')), parser: 'markdown' },
);

if (process.argv.includes('--check')) {
  let there = '';
  try {
    there = readFileSync(FILE, 'utf8');
  } catch {
    // Said below, like any other difference.
  }
  if (there !== text) problems.push('deploy/dependencies.md is not up to date: run node tools/dependency-review.mjs');
} else writeFileSync(FILE, text);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
