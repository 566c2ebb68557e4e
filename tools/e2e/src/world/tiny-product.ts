import { randomBytes } from 'node:crypto';
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
  /** Folders that antivirus software has to leave alone. */
  readonly antivirusFolders?: readonly string[];
  /** The vendor asks the server by a command of the application, `check-room`. */
  readonly vendorCheck?: boolean;
  /** The server has the action `reindex`. */
  readonly action?: boolean;
  /** Workstations have a health check. */
  readonly workstationHealth?: boolean;
  /** A command of this release that does not do what it should, by its name in the program. */
  readonly troubles?: Readonly<Record<string, Trouble>>;
  /** Bytes that cannot be compressed or shared with another release, beside the program of each role. */
  readonly paddingBytes?: number;
  /** A remark in the programs, so that they are other files than those of the release before. */
  readonly programNote?: string;
  /** How long the first start may take. Default 20 s, because it is a whole client on a busy machine. */
  readonly firstStartTimeout?: string;
}

/** What may happen to a command: `…-once` is over when it has happened; `does-nothing` ends well without its work. */
export type Trouble = 'slow' | 'fails' | 'hangs' | 'fails-once' | 'hangs-once' | 'does-nothing';

/** Data of the application: which version migrated it, and what users entered. */
export interface TinyData {
  readonly version: string;
  readonly entries: readonly string[];
}

/** In the data folder: the command of this name is in the trouble that the file says, as long as it is there. */
export const troubleSwitch = (command: string): string => `trouble-${command}`;

/** Begins both programs. Ends the program, or answers whether it is to do its work. */
const TROUBLE = `
const fs = require('node:fs');
const path = require('node:path');
const own = JSON.parse(fs.readFileSync(path.join(__dirname, 'release.json'), 'utf8'));
const data = process.env.LASTCALL_DATA_DIR;
fs.mkdirSync(data, { recursive: true });
function isInTrouble(command) {
  const file = path.join(data, 'trouble-' + command);
  const trouble = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : own.troubles[command];
  if (trouble === undefined) return false;
  if (trouble === 'slow') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    return false;
  }
  if (trouble.endsWith('-once')) fs.rmSync(file, { force: true });
  if (trouble.startsWith('fails')) {
    console.error(command + ' fails as it was told');
    process.exit(3);
  }
  if (trouble.startsWith('hangs')) setInterval(() => undefined, 1000);
  return true;
}
`;

const APP = `${TROUBLE}
const command = process.argv[2];
const backup = process.env.LASTCALL_BACKUP_DIR;
const file = (dir) => path.join(dir, 'state.json');
const read = (dir) => (fs.existsSync(file(dir)) ? JSON.parse(fs.readFileSync(file(dir), 'utf8')) : { version: '', entries: [] });
function write(dir, state) {
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(file(dir) + '.new', JSON.stringify(state));
  fs.renameSync(file(dir) + '.new', file(dir));
}
fs.appendFileSync(path.join(data, 'commands.log'), own.version + ' ' + command + '\\n');
if (isInTrouble(command)) void 0;
else if (command === 'migrate') write(data, { ...read(data), version: own.version });
else if (command === 'backup') write(backup, read(data));
else if (command === 'verify-backup') read(backup);
else if (command === 'restore') write(data, read(backup));
else if (command === 'reindex') console.log('index of ' + own.version);
else if (command === 'health' && (own.unhealthy || read(data).version !== own.version)) process.exit(4);
`;

/** The SDK comes from the environment, as a site's own configuration would: a test has no bundler. */
const CLIENT = `${TROUBLE}
const { attachSession } = require(process.env.TINY_SDK);
if (!isInTrouble('first-start')) {
  attachSession({
    user: 'first-start',
    version: own.version,
    env: { ...process.env, LASTCALL_TOKEN_FILE: process.env.TINY_TOKEN_FILE },
  }).finished.then((reason) => process.exit(reason === 'first-start-done' ? 0 : 1));
}
`;

/** What runs on a workstation besides its client. */
const DESK = `${TROUBLE}
isInTrouble(process.argv[2]);
`;

function manifest({
  version,
  requires = '',
  antivirusFolders = [],
  vendorCheck = false,
  action = false,
  firstStartTimeout = '20s',
  workstationHealth = false,
}: TinyRelease): string {
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
antivirus:
  folders: ${JSON.stringify(antivirusFolders)}
${vendorCheck ? VENDOR_CHECKS : ''}${action ? ACTION : ''}commands:
  server:
    stop: ${run('stop')}
    start: ${run('start')}
    health: { run: [node, app.js, health], timeout: 2s }
    migrate: ${run('migrate')}
    backup: ${run('backup')}
    verifyBackup: ${run('verify-backup')}
    restore: ${run('restore')}
  terminal-server:
    firstStart: { run: [node, client.js], timeout: ${firstStartTimeout} }${workstationHealth ? WORKSTATION : ''}
`;
}

const VENDOR_CHECKS = `checks:
  - { id: room, role: server, asks: the database has room, run: [node, app.js, check-room], remedy: Make room. }
`;

const ACTION = `actions:
  - { id: reindex, title: Builds the index again, role: server, run: [node, app.js, reindex], timeout: 20s }
`;

const WORKSTATION = `
  workstation:
    stop: { run: [node, desk.js, stop], timeout: 3s }
    health: { run: [node, desk.js, health], timeout: 3s }`;

/** Writes the release below `dir` and answers its folder. */
export async function writeTinyRelease(dir: string, release: TinyRelease): Promise<string> {
  const folder = join(dir, release.version);
  const { version, unhealthy = false, troubles = {}, paddingBytes = 0, programNote = '' } = release;
  const about = JSON.stringify({ version, unhealthy, troubles });
  for (const [part, program, text] of [
    ['server', 'app.js', APP],
    ['client', 'client.js', CLIENT],
    ...(release.workstationHealth ? ([['client', 'desk.js', DESK]] as const) : []),
  ] as const) {
    await mkdir(join(folder, part), { recursive: true });
    await writeFile(join(folder, part, program), programNote === '' ? text : `// ${programNote}\n${text}`);
    await writeFile(join(folder, part, 'release.json'), about);
    if (paddingBytes > 0) await writeFile(join(folder, part, 'padding.bin'), randomBytes(paddingBytes));
  }
  await writeFile(join(folder, 'lastcall.yaml'), manifest(release));
  return folder;
}
