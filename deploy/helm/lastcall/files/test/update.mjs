import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callUnary, openFrontDoor } from './front-door.mjs';

/*
 * `helm test`: a whole update of a tiny product, by the command line and an agent of a host, both in this pod. Leaves nothing that anybody
 * could take: the releases are withdrawn, the installation is deleted. Node and its own modules only: the image has no shell.
 *
 *   LASTCALL_TEST_ROUTES   {"lastcall.catalog.v1.CatalogService": "host:port", …}; not set: LASTCALL_ADDR is there already
 *   LASTCALL_TOKEN_FILE    the operator's credential
 *   LASTCALL_CATALOG_URL   base address of the catalog's HTTP edge
 */

const work = mkdtempSync(join(tmpdir(), 'lastcall-test-'));
const agentData = join(work, 'agent');
const INSTALLATION = 'chart-test';
const HOST = 'srv1';
const STEP_MS = 200_000;

/** Grows with each test, and a part of a version has nine digits at most. */
const major = Math.floor(Date.now() / 1_000) - 1_700_000_000;
const versions = [`${major}.0.0`, `${major}.1.0`];

const APP = `
const fs = require('node:fs');
const path = require('node:path');
const own = fs.readFileSync(path.join(__dirname, 'version'), 'utf8');
const at = (folder) => path.join(folder, 'version');
const data = process.env.LASTCALL_DATA_DIR;
const copy = (from, to) => fs.existsSync(at(from)) && fs.copyFileSync(at(from), at(to));
const commands = {
  migrate: () => fs.writeFileSync(at(data), own),
  backup: () => copy(data, process.env.LASTCALL_BACKUP_DIR),
  restore: () => copy(process.env.LASTCALL_BACKUP_DIR, data),
  health: () => process.exit(fs.readFileSync(at(data), 'utf8') === own ? 0 : 1),
};
fs.mkdirSync(data, { recursive: true });
commands[process.argv[2]]?.();
`;

function writeRelease(version) {
  const run = (command) => `{ run: [node, app.js, ${command}], timeout: 10s }`;
  const folder = join(work, version);
  mkdirSync(join(folder, 'server'), { recursive: true });
  writeFileSync(join(folder, 'server', 'app.js'), APP);
  writeFileSync(join(folder, 'server', 'version'), version);
  const commands = ['stop', 'start', 'health', 'migrate', 'backup', 'verifyBackup', 'restore'];
  const manifest = [
    `product: ${INSTALLATION}`,
    `version: ${version}`,
    `title: Test of the chart, ${version}`,
    'artifacts: [{ role: server, directory: server }]',
    'requires: { stageFree: 1 MiB }',
    'commands:',
    '  server:',
    ...commands.map((command) => `    ${command}: ${run(command)}`),
  ];
  writeFileSync(join(folder, 'lastcall.yaml'), `${manifest.join('\n')}\n`);
  return folder;
}

/** Answers what it printed. */
function ask(program, args) {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: STEP_MS, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const how = error.code ?? error.signal;
      reject(new Error(`${program} ${args[0]} ${args[1] ?? ''} ended with ${how}\n${stdout}${stderr}`));
    });
  });
}

async function run(program, args) {
  console.log(`$ ${program} ${args.join(' ')}`);
  process.stdout.write(await ask(program, args));
}

const lastcall = (...args) => run('lastcall', args);

/** What the agent says is shown only when the update did not succeed. */
let agentLog = '';

function startAgent() {
  const agent = spawn('lastcall-agent', ['run', '--data', agentData], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [agent.stdout, agent.stderr]) {
    stream.on('data', (chunk) => (agentLog = (agentLog + String(chunk)).slice(-64 * 1024)));
  }
  return () => new Promise((resolve) => void (agent.once('exit', resolve), agent.kill('SIGTERM')));
}

async function update() {
  const [before, after] = versions;
  await lastcall('release', 'publish', writeRelease(before));
  const site = ['--product', INSTALLATION, '--zone', 'UTC', '--reaction-time', '1s', '--no-announcements'];
  await lastcall('installation', 'add', INSTALLATION, ...site);
  const token = await ask('lastcall', ['host', 'join-token', HOST, '--role', 'server', '-i', INSTALLATION]);
  writeFileSync(join(work, 'join-token'), token.trim(), { mode: 0o600 });
  const agent = (...args) => run('lastcall-agent', [args[0], '--data', agentData, ...args.slice(1)]);
  await agent('join', '--addr', process.env.LASTCALL_ADDR, '--token-file', join(work, 'join-token'));
  await agent('install', '--version', before);
  const stopAgent = startAgent();
  try {
    await lastcall('release', 'publish', writeRelease(after));
    const job = `to-${after.replaceAll('.', '-')}`;
    await lastcall('job', 'create', job, '--version', after, '--now', '--enable', '-i', INSTALLATION);
    await lastcall('run', 'watch', '--job', job, '-i', INSTALLATION);
  } finally {
    await stopAgent();
  }
  const installed = readFileSync(join(agentData, 'data', 'version'), 'utf8');
  if (installed !== after) throw new Error(`the host has the data of ${installed} and not of ${after}`);
}

/** What is there to be taken away; a failure here hides none before it. */
async function tidy() {
  for (const version of versions.toReversed()) {
    const why = ['--reason', 'The test of the chart is over.'];
    await ask('lastcall', ['release', 'withdraw', INSTALLATION, version, ...why]).catch(() => undefined);
  }
  const token = readFileSync(process.env.LASTCALL_TOKEN_FILE, 'utf8').trim();
  const path = '/lastcall.catalog.v1.CatalogService/DeleteInstallation';
  const request = { path, token, name: `installations/${INSTALLATION}` };
  await callUnary(process.env.LASTCALL_ADDR, request).catch((error) => console.error(`not deleted: ${error.message}`));
}

const routes = process.env.LASTCALL_TEST_ROUTES;
if (routes) process.env.LASTCALL_ADDR = await openFrontDoor(JSON.parse(routes));
await tidy();
const failure = await update().then(
  () => undefined,
  (error) => error,
);
await tidy();
if (failure) console.error(`${agentLog}the update did not succeed: ${failure.message}`);
else console.log(`updated from ${versions.join(' to ')}`);
process.exit(failure ? 1 : 0);
