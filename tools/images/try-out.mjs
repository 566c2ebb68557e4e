import { createRequire } from 'node:module';
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { unpack } from './archive.mjs';

/*
 * Runs images as a container engine does, without one: as the first process of its own process space, as user 1000, on a root that cannot be
 * written, with /data and /tmp, and keys in /identity. Says how long it takes from the start until the health port says "serving", and fails when an
 * image does not start, or does not end by itself with 0 after SIGTERM. Needs Linux, root and `npm run build`.
 *
 *   node tools/images/try-out.mjs [--rounds N] ARCHIVE...
 */

const require = createRequire(import.meta.url);
const { askHealth } = require('../../libs/runtime/dist/health-question.js');
const { ensureIdentity } = require('../../libs/runtime/dist/index.js');

const USER = 1000;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

/** $1: the root. The rest: the program and its arguments, there. */
const CONTAINER = `
set -e
root=$1; shift
mount --bind "$root" "$root"
mkdir -p "$root/proc" "$root/dev"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$DATA" "$root/data"
mount --bind "$IDENTITY" "$root/identity"
mount -o remount,bind,ro "$root/identity"
cd "$root/data"
exec chroot --userspec=${USER}:${USER} "$root" "$@"
`;

/** What the image says of itself; its ports are on an address that nobody else on this machine listens to. */
function environmentOf(config) {
  const own = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
  return Object.fromEntries(
    config.Env.map((line) => line.replace('=0.0.0.0:', `=${own}:`)).map((line) => {
      const [name] = line.split('=', 1);
      return [name, line.slice(name.length + 1)];
    }),
  );
}

/** Answers milliseconds. Throws what was said when it does not start, or does not stop as it should. */
async function runOnce(root, config, folder) {
  const [data, identity] = ['data', 'identity'].map((name) => join(folder, name));
  for (const one of [data, identity]) {
    rmSync(one, { recursive: true, force: true });
    mkdirSync(one);
    chownSync(one, USER, USER);
  }
  await ensureIdentity(identity);
  spawnSync('chown', ['-R', `${USER}:${USER}`, identity]);
  const env = environmentOf(config);
  // The command line serves when it is told so.
  const command = [...config.Entrypoint, ...(env.LASTCALL_IDENTITY_DIR ? [] : ['up'])];
  const began = performance.now();
  const parameters = ['--pid', '--mount', '--fork', '--propagation', 'private', 'env', '-i'];
  const variables = Object.entries({ ...env, DATA: data, IDENTITY: identity, PATH: `${process.env.PATH}:${env.PATH}` });
  const words = [...variables.map((pair) => pair.join('=')), 'sh', '-c', CONTAINER, 'sh', root, ...command];
  const container = spawn('unshare', [...parameters, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(container, 'exit');
  let said = '';
  for (const stream of [container.stdout, container.stderr]) stream.on('data', (bytes) => (said += bytes));
  let isOver = false;
  void ended.then(() => (isOver = true));
  while (!(await askHealth(env.LASTCALL_HEALTH_ADDRESS || env.LASTCALL_GRPC_ADDRESS, 1_000)).isServing) {
    if (isOver) throw new Error(`it ended before it served:\n${said}`);
    if (performance.now() - began > START_TIMEOUT_MS) throw new Error(`it does not serve:\n${said}`);
    await delay(10);
  }
  const servedAfter = performance.now() - began;
  const first = firstProcessOf(container.pid);
  const processorTime = processorTimeOf(first);
  const stopping = performance.now();
  process.kill(first, 'SIGTERM');
  const [code] = await Promise.race([ended, delay(STOP_TIMEOUT_MS, ['no exit'], { ref: false })]);
  if (code !== 0) throw new Error(`it ended with ${code} after SIGTERM:\n${said}`);
  return { servedAfter, processorTime, stoppedAfter: performance.now() - stopping };
}

/** The child of `unshare`: number 1 of its own space. */
function firstProcessOf(pid) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
}

/** Milliseconds, of all its threads; the kernel counts hundredths of a second. */
function processorTimeOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function tryOut(archive, rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-try-'));
  try {
    const root = join(folder, 'root');
    const config = unpack(archive, root);
    const results = [];
    for (let n = 0; n < rounds; n++) results.push(await runOnce(root, config, folder));
    const said = (what) => `${Math.round(median(results.map((one) => one[what])))} ms`;
    const title = config.Labels['org.opencontainers.image.title'] ?? basename(archive);
    const times = `serves after ${said('servedAfter')} (processor ${said('processorTime')}), stops in ${said('stoppedAfter')}`;
    console.log(`${title.padEnd(18)}  ${times}, median of ${rounds}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const words = process.argv.slice(2);
const rounds = words[0] === '--rounds' ? Number(words.splice(0, 2)[1]) : 5;
if (words.length === 0 || !(rounds >= 1) || process.getuid?.() !== 0) {
  console.error('usage, as root: node tools/images/try-out.mjs [--rounds N] ARCHIVE...');
  process.exit(2);
}
for (const archive of words) await tryOut(archive, rounds);
