// Starts the servers that tests want and that are on the PATH, each with data of its own on a free loopback port, for those that no
// variable names. What is started ends with this process.
import { MongoClient } from 'mongodb';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const READY_MS = 30_000;

const STARTS = { NATS: ['nats-server', startNats], MONGODB: ['mongod', startMongod] };

/** Names of the given ones that are neither in the environment nor on the PATH; the environment has the others now. */
export async function startBackends(names) {
  const missing = [];
  for (const name of names) {
    const variable = `LASTCALL_TEST_${name}_URL`;
    if (process.env[variable]) continue;
    const [program, start] = STARTS[name];
    if (spawnSync(program, ['--version']).status !== 0) missing.push(name);
    else process.env[variable] = await start(program);
  }
  return missing;
}

async function startNats(program) {
  const dir = createFolder();
  const store = JSON.stringify(join(dir, 'data'));
  const configuration = `listen: "127.0.0.1:-1"\nports_file_dir: ${JSON.stringify(dir)}\njetstream { store_dir: ${store}, sync_interval: always }\n`;
  writeFileSync(join(dir, 'server.conf'), configuration);
  start(program, ['-c', join(dir, 'server.conf')]);
  return untilReady(program, () => {
    const file = readdirSync(dir).find((name) => name.endsWith('.ports'));
    return JSON.parse(readFileSync(join(dir, file), 'utf8')).nats[0];
  });
}

async function startMongod(program) {
  const port = await freePort();
  start(program, ['--dbpath', createFolder(), '--bind_ip', '127.0.0.1', '--port', String(port), '--replSet', 'tests']);
  const url = `mongodb://127.0.0.1:${port}/`;
  const client = new MongoClient(url, { directConnection: true, serverSelectionTimeoutMS: 1_000 });
  await untilReady(program, () => client.db('admin').command({ ping: 1 }));
  const members = [{ _id: 0, host: `127.0.0.1:${port}` }];
  await client.db('admin').command({ replSetInitiate: { _id: 'tests', members } });
  await untilReady(program, async () => {
    if (!(await client.db('admin').command({ hello: 1 })).isWritablePrimary) throw new Error('it is not primary yet');
  });
  await client.close();
  return url;
}

function createFolder() {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-backends-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function start(program, args) {
  const child = spawn(program, args, { stdio: 'ignore' });
  child.on('error', () => undefined);
  child.unref();
  process.on('exit', () => child.kill('SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
}

async function untilReady(program, look) {
  const until = Date.now() + READY_MS;
  for (;;) {
    try {
      return await look();
    } catch (cause) {
      if (Date.now() > until) throw new Error(`${program} did not get ready within ${READY_MS} ms`, { cause });
      await delay(50);
    }
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const { port } = server.address();
        server.close(() => resolve(port));
      });
  });
}
