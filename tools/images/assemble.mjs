import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeAlike } from './make-alike.mjs';
import { find, productionFolders, readLock } from './production-packages.mjs';
import { createSbom } from './sbom.mjs';
import { trace } from './trace.mjs';

/*
 * Puts together what an image has in /app: the compiled files that its programs can come to, the production packages of its workspaces, and the list of
 * all of them. Run in the built repository, by deploy/Dockerfile and by the test of it:
 *
 *   node tools/images/assemble.mjs SERVICE FOLDER        makes FOLDER/app, FOLDER/data, FOLDER/identity and FOLDER/tmp
 */

const AGENT = ['bin/lastcall-agent.js', 'dist/main.js', 'dist/program/choose-program.js'];
const service = (name) => ({
  workspaces: [`services/${name}`],
  files: [`services/${name}/dist/main.js`],
  programs: { main: `services/${name}/dist/main.js` },
});
/** `files`: where tracing begins. `programs`: what is in /app/bin; `main` is what the image starts. */
export const IMAGES = {
  catalog: service('catalog'),
  scheduler: service('scheduler'),
  preflight: service('preflight'),
  session: service('session'),
  installer: service('installer'),
  cli: {
    workspaces: ['services/cli', 'services/agent'],
    files: [
      'services/cli/bin/lastcall.js',
      'services/cli/dist/main.js',
      ...AGENT.map((file) => `services/agent/${file}`),
    ],
    programs: {
      main: 'services/cli/bin/lastcall.js',
      lastcall: 'services/cli/bin/lastcall.js',
      'lastcall-agent': 'services/agent/bin/lastcall-agent.js',
    },
  },
};
const HEALTHCHECK = 'libs/runtime/dist/healthcheck.js';
/** Read by the programs, not imported. */
const DATA = { 'libs/contracts': ['dist/lastcall.schema.json'] };
/** What no program reads: types, maps, guides. Licences stay. */
const UNREAD = /\.(d\.[cm]?ts|[cm]?ts|map|md|markdown|flow)$|^\.|^(test|tests|__tests__|docs|example|examples|man)$/;
const LICENCE = /^(licen[cs]e|notice|copying)/i;
/** Beside /app, with their modes: what a container writes, and where keys and credentials are mounted. */
const FOLDERS = { data: 0o700, identity: 0o755, tmp: 0o1777 };

/** Answers what is wrong with the declared dependencies, one sentence each. */
export function assemble({ root, name, out, env = process.env }) {
  const image = IMAGES[name];
  if (!image) throw new Error(`there is no image "${name}"; there are ${Object.keys(IMAGES).join(', ')}`);
  const app = join(out, 'app');
  mkdirSync(app, { recursive: true });
  const lock = readLock(root);
  const health = existsSync(join(root, HEALTHCHECK)) ? { healthcheck: HEALTHCHECK } : {};
  const { files, packages } = trace(root, [...image.files, ...Object.values(health)]);
  const folders = new Set(productionFolders(lock, image.workspaces));
  const problems = undeclared(lock, packages, folders);
  if (!health.healthcheck) problems.push(`there is no ${HEALTHCHECK}: HEALTHCHECK of this image fails`);
  for (const folder of folders) {
    if (folder.includes('node_modules')) copyPackage(root, app, folder);
    else copyWorkspace(root, app, folder, files);
  }
  copyFile(root, app, 'LICENSE');
  writeRoot(root, app, name, [...folders]);
  writePrograms(app, { ...image.programs, ...health });
  writeFileSync(
    join(app, 'sbom.cdx.json'),
    createSbom({ app, name, lock, epoch: env.SOURCE_DATE_EPOCH, system: env.SYSTEM_COMPONENTS }),
  );
  for (const folder of Object.keys(FOLDERS)) mkdirSync(join(out, folder));
  makeAlike(out, FOLDERS);
  return problems;
}

/** What is imported and not declared is taken along, and said. */
function undeclared(lock, packages, folders) {
  return [...packages].flatMap(([name, workspace]) => {
    const key = find(lock, workspace, name);
    if (key === undefined) throw new Error(`${workspace} imports ${name}, which is not in the lock`);
    if (folders.has(key)) return [];
    for (const folder of productionFolders(lock, [key])) folders.add(folder);
    return [`${workspace} imports ${name}, which none of the workspaces of this image declares as a dependency`];
  });
}

function copyFile(root, app, file) {
  mkdirSync(dirname(join(app, file)), { recursive: true });
  cpSync(join(root, file), join(app, file));
}

function copyPackage(root, app, folder) {
  const filter = (path) => {
    const name = basename(path);
    return name !== 'node_modules' && (LICENCE.test(name) || !UNREAD.test(name));
  };
  // The folder itself may have any name.
  for (const name of readdirSync(join(root, folder))) {
    const from = join(root, folder, name);
    if (filter(from)) cpSync(from, join(app, folder, name), { recursive: true, filter });
  }
}

function copyWorkspace(root, app, folder, files) {
  const about = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const { name, version, license, exports, dependencies, bin } = about;
  mkdirSync(join(app, folder), { recursive: true });
  const kept = { name, version, license, exports, bin, dependencies };
  writeFileSync(join(app, folder, 'package.json'), `${JSON.stringify(kept, null, 2)}\n`);
  const data = (DATA[folder] ?? []).map((file) => `${folder}/${file}`);
  for (const file of [...files.filter((one) => one.startsWith(`${folder}/`)), ...data]) copyFile(root, app, file);
  const link = join(app, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join('..', '..', folder), link);
}

/** What npm reads the workspaces of an image by. */
function writeRoot(root, app, name, folders) {
  const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const workspaces = folders.filter((folder) => !folder.includes('node_modules')).toSorted();
  const about = { name: `lastcall-${name}`, version, private: true, license, workspaces };
  writeFileSync(join(app, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
}

function writePrograms(app, programs) {
  mkdirSync(join(app, 'bin'));
  for (const [program, file] of Object.entries(programs)) {
    writeFileSync(join(app, 'bin', program), launcher(`../${file}`), { mode: 0o755 });
  }
}

/**
 * The first process of a container gets no signal that it does not listen to. One that comes while the program is still being loaded waits until it
 * listens; a program that never does ends as it would elsewhere.
 */
function launcher(file) {
  return `#!/usr/local/bin/node
for (const [signal, code] of [['SIGTERM', 143], ['SIGINT', 130]]) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(code);
  });
}
require('${file}');
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name, out] = process.argv.slice(2);
  if (out === undefined) {
    console.error(`usage: node tools/images/assemble.mjs ${Object.keys(IMAGES).join('|')} FOLDER`);
    process.exit(2);
  }
  const root = resolve(import.meta.dirname, '..', '..');
  for (const problem of assemble({ root, name, out: resolve(out) })) console.error(`images: ${problem}`);
}
