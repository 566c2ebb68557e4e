import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { IMAGES } from './assemble.mjs';
import { readArchive } from './archive.mjs';
import { findBuilder } from './builders.mjs';

const ROOT = resolve(import.meta.dirname, '..', '..');
const OUT = join(ROOT, 'dist', 'images');
/** How an image is put together is today's, whatever it is put together from. */
const OURS = ['deploy/Dockerfile', '.dockerignore', 'tools/images'];

const HELP = `Builds the images lastcall/${Object.keys(IMAGES).join(', ')} from deploy/Dockerfile.

  npm run -s images -- [--tag TAG] [--only NAME,NAME] [--from REV] [--platform OS/ARCH] [-o json]

  --tag TAG          lastcall/NAME:TAG; default: the version in package.json
  --only NAME,NAME   not all of them
  --from REV         the sources of that revision of git, built as today; default: the folder as it is
  --platform P       linux/amd64 or linux/arm64; default: that of this machine
  -o json            one line of JSON instead of a table

Built by the program that LASTCALL_IMAGE_BUILDER names (BUILDER DIRECTORY TAG -f FILE -- OPTIONS, prints the path of a Docker archive), else by
docker, else by buildah. Lists of contents (CycloneDX), and archives of the last two, are left in dist/images. SOURCE_DATE_EPOCH is the time that
images name; default: that of the revision.

  npm run -s images -- --tag dev --only session,catalog
`;

const options = {
  tag: { type: 'string' },
  only: { type: 'string' },
  from: { type: 'string' },
  platform: { type: 'string' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
};

function usage(message) {
  console.error(`images: ${message}; "npm run -s images -- --help" shows what can be said`);
  process.exit(2);
}

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    usage(error.message);
  }
  const names = values.only?.split(',') ?? Object.keys(IMAGES);
  const strange = names.find((name) => !IMAGES[name]);
  if (strange !== undefined)
    usage(`--only: there is no image "${strange}", there are ${Object.keys(IMAGES).join(', ')}`);
  if (values.tag !== undefined && !/^\w[\w.-]{0,127}$/.test(values.tag))
    usage(`--tag: "${values.tag}" is no tag of an image`);
  if (values.platform !== undefined && !/^linux\/(amd64|arm64)$/.test(values.platform)) {
    usage(`--platform: "${values.platform}" is neither linux/amd64 nor linux/arm64`);
  }
  if (values.output !== undefined && values.output !== 'json') usage(`-o: "${values.output}" is not json`);
  return { ...values, names };
}

/** Empty where there is no git, or no such thing in it. */
function git(...parameters) {
  const done = spawnSync('git', parameters, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1024 ** 3 });
  return done.status === 0 ? done.stdout.trim() : '';
}

/** A folder with the sources of a revision and with how they are built today. Removed when the process ends. */
function checkOut(revision) {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-sources-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const archive = spawnSync('git', ['archive', revision], { cwd: ROOT, maxBuffer: 1024 ** 3 });
  const unpacked = spawnSync('tar', ['-x', '-C', folder], { input: archive.stdout });
  if (archive.status !== 0 || unpacked.status !== 0)
    throw new Error(`git has no archive of ${revision}: ${archive.stderr}`);
  for (const ours of OURS) {
    rmSync(join(folder, ours), { recursive: true, force: true });
    cpSync(join(ROOT, ours), join(folder, ours), { recursive: true });
  }
  return folder;
}

function sourcesOf({ from }) {
  const revision = git('rev-parse', '--verify', '--quiet', `${from ?? 'HEAD'}^{commit}`);
  if (from !== undefined && revision === '') usage(`--from: git knows no "${from}"`);
  const isChanged = from === undefined && git('status', '--porcelain') !== '';
  const epoch = process.env.SOURCE_DATE_EPOCH || (revision && git('log', '-1', '--format=%ct', revision)) || '0';
  const origin = git('remote', 'get-url', 'origin');
  const context = from === undefined ? ROOT : checkOut(revision);
  return {
    context,
    version: JSON.parse(readFileSync(join(context, 'package.json'), 'utf8')).version,
    revision: revision === '' ? 'unknown' : `${revision}${isChanged ? '-changed' : ''}`,
    epoch,
    source: /^https:\/\/[^@]+$/.test(origin) ? origin : '',
    knowsHealth: existsSync(join(context, 'libs/runtime/src/healthcheck.ts')),
  };
}

function imageOf(name, tag, sources, { platform }) {
  return {
    name,
    tag: `lastcall/${name}:${tag}`,
    target: name === 'cli' ? 'cli' : 'service',
    context: sources.context,
    file: join(sources.context, 'deploy/Dockerfile'),
    out: OUT,
    platform,
    args: {
      SERVICE: name,
      VERSION: sources.version,
      REVISION: sources.revision,
      SOURCE: sources.source,
      SOURCE_DATE_EPOCH: sources.epoch,
      CREATED: new Date(Number(sources.epoch) * 1_000).toISOString(),
      // An unknown setting would stop the start.
      ...(sources.knowsHealth ? {} : { HEALTH_ADDRESS: '' }),
    },
  };
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function table(images) {
  const rows = [
    ['image', 'compressed', 'unpacked', 'built in', 'archive'],
    ...images.map((one) => [
      one.image,
      megabytes(one.compressedBytes),
      megabytes(one.unpackedBytes),
      `${one.seconds} s`,
      one.archive,
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

async function main() {
  const chosen = readOptions();
  if (chosen.help) return void process.stdout.write(HELP);
  const builder = findBuilder();
  const sources = sourcesOf(chosen);
  if (!sources.knowsHealth)
    console.error(`images: ${chosen.from} has no port for health; HEALTHCHECK of its images fails`);
  mkdirSync(OUT, { recursive: true });
  const images = [];
  for (const name of chosen.names) {
    const began = performance.now();
    const image = imageOf(name, chosen.tag ?? sources.version, sources, chosen);
    const archive = builder.build(image);
    const seconds = Math.round((performance.now() - began) / 1_000);
    const sbom = join(OUT, `${name}.cdx.json`);
    images.push({ name, image: image.tag, archive, sbom, seconds, ...(await readArchive(archive, sbom)) });
  }
  const { version, revision } = sources;
  console.log(chosen.output === 'json' ? JSON.stringify({ version, revision, images }) : table(images));
}

try {
  await main();
} catch (error) {
  console.error(`images: ${error.message}`);
  process.exitCode = 1;
}
