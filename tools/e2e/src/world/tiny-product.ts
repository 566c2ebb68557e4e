import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/*
 * The smallest product that has everything: data with a version, a backup, a migration, a health check, a client. Its
 * commands take milliseconds, so that a test can update it a hundred times.
 */

export interface TinyRelease {
  readonly version: string;
  /** Its health check fails, after the data was migrated. */
  readonly unhealthy?: boolean;
  /** More lines for `requires:` of the manifest. */
  readonly requires?: string;
  /** Name of a command that never ends. */
  readonly hangs?: string;
}

/** Data of the application: which version migrated it, and what users entered. */
export interface TinyData {
  readonly version: string;
  readonly entries: readonly string[];
}

/** In the data folder: the command of this name fails as long as the file is there. */
export const failureSwitch = (command: string): string => `fail-${command}`;

const APP = `
const fs = require('node:fs');
const path = require('node:path');
const own = JSON.parse(fs.readFileSync(path.join(__dirname, 'release.json'), 'utf8'));
const command = process.argv[2];
const data = process.env.LASTCALL_DATA_DIR;
const backup = process.env.LASTCALL_BACKUP_DIR;
const file = (dir) => path.join(dir, 'state.json');
const read = (dir) => (fs.existsSync(file(dir)) ? JSON.parse(fs.readFileSync(file(dir), 'utf8')) : { version: '', entries: [] });
function write(dir, state) {
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(file(dir) + '.new', JSON.stringify(state));
  fs.renameSync(file(dir) + '.new', file(dir));
}
fs.mkdirSync(data, { recursive: true });
fs.appendFileSync(path.join(data, 'commands.log'), own.version + ' ' + command + '\\n');
if (fs.existsSync(path.join(data, 'fail-' + command))) {
  console.error(command + ' fails as it was told');
  process.exit(3);
}
if (own.hangs === command) setInterval(() => undefined, 1000);
else if (command === 'migrate') write(data, { ...read(data), version: own.version });
else if (command === 'backup') write(backup, read(data));
else if (command === 'verify-backup') read(backup);
else if (command === 'restore') write(data, read(backup));
else if (command === 'health' && (own.unhealthy || read(data).version !== own.version)) process.exit(4);
`;

/** The SDK comes from the environment, as a site's own configuration would: a test has no bundler. */
const CLIENT = `
const { attachSession } = require(process.env.TINY_SDK);
const own = JSON.parse(require('node:fs').readFileSync(__dirname + '/release.json', 'utf8'));
attachSession({
  user: 'first-start',
  version: own.version,
  env: { ...process.env, LASTCALL_TOKEN_FILE: process.env.TINY_TOKEN_FILE },
}).finished.then((reason) => process.exit(reason === 'first-start-done' ? 0 : 1));
`;

function manifest({ version, requires = '' }: TinyRelease): string {
  const run = (command: string): string => `{ run: [node, app.js, ${command}], timeout: 3s }`;
  return `
product: tiny
version: ${version}
title: Tiny ${version}
artifacts:
  - { role: server, directory: server }
  - { role: terminal-server, directory: client }
  - { role: workstation, directory: client }
requires:
  stageFree: 1 MiB
${requires}
commands:
  server:
    stop: ${run('stop')}
    start: ${run('start')}
    health: { run: [node, app.js, health], timeout: 500ms }
    migrate: ${run('migrate')}
    backup: ${run('backup')}
    verifyBackup: ${run('verify-backup')}
    restore: ${run('restore')}
  terminal-server:
    firstStart: { run: [node, client.js], timeout: 20s }
`;
}

/** Writes the release below `dir` and answers its folder. */
export async function writeTinyRelease(dir: string, release: TinyRelease): Promise<string> {
  const folder = join(dir, release.version);
  const about = JSON.stringify({ unhealthy: false, hangs: '', ...release, requires: undefined });
  for (const [part, program, text] of [
    ['server', 'app.js', APP],
    ['client', 'client.js', CLIENT],
  ] as const) {
    await mkdir(join(folder, part), { recursive: true });
    await writeFile(join(folder, part, program), text);
    await writeFile(join(folder, part, 'release.json'), about);
  }
  await writeFile(join(folder, 'lastcall.yaml'), manifest(release));
  return folder;
}
