import { createTempFolder, findFreePorts, startChild, type Child, until } from '@lastcall/testkit';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ROOT } from './lastcall-processes.js';

/* Servers of the test's own, on a port that stays: killed with SIGKILL and started again on the same data. */

export interface OwnServer {
  readonly url: string;
  /** Resolves when it takes connections. */
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Kills it and takes its data away. */
  remove(): Promise<void>;
}

export const isOnPath = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

/** A suite that starts a program of somebody else with settings of its own; skipped by name where there is none. */
export function describeWithProgram(program: string, name: string, suite: () => void): void {
  if (isOnPath(program)) describe(name, suite);
  else describe.skip(`${name} (needs ${program} on the PATH)`, suite);
}

export async function createNatsServer(): Promise<OwnServer> {
  return createServer('nats', async (dir, port) => {
    const file = join(dir, 'server.conf');
    await writeFile(file, `jetstream { store_dir: "${join(dir, 'data')}", sync_interval: always }\n`);
    return ['nats-server', '-c', file, '-a', '127.0.0.1', '-p', String(port)];
  });
}

/** With the configuration and the users of deploy/nats, for services that have this prefix. */
export async function createDeployedNats(prefix: string): Promise<OwnServer & { urlOf(user: string): string }> {
  const passwords = Object.fromEntries(NATS_USERS.map((user) => [`NATS_PASSWORD_${user.toUpperCase()}`, `p${user}`]));
  const server = await createServer('nats', async (dir, port) => {
    for (const name of ['server.conf', 'jetstream.conf', 'users.conf']) {
      const text = await readFile(join(ROOT, 'deploy/nats', name), 'utf8');
      // As deploy/nats/README.md has it for another LASTCALL_PREFIX.
      await writeFile(join(dir, name), text.replace(/\blastcall(?=\.|-events)/g, prefix));
    }
    const variables = Object.entries({ ...passwords, NATS_STORE_DIR: join(dir, 'data') });
    const env = variables.map(([name, value]) => `${name}=${value}`);
    return [
      'env',
      ...env,
      'nats-server',
      '-c',
      join(dir, 'server.conf'),
      '-a',
      '127.0.0.1',
      '-p',
      String(port),
      '-m',
      '-1',
    ];
  });
  return { ...server, urlOf: (user) => server.url.replace('//', `//${user}:p${user}@`) };
}

const NATS_USERS = ['catalog', 'scheduler', 'preflight', 'session', 'installer', 'system'];

export async function createMongod(): Promise<OwnServer> {
  return createServer('mongodb', async (dir, port) => {
    const data = join(dir, 'data');
    await mkdir(data);
    return ['mongod', '--dbpath', data, '--port', String(port), '--bind_ip', '127.0.0.1'];
  });
}

async function createServer(
  scheme: string,
  commandIn: (dir: string, port: number) => Promise<readonly string[]>,
): Promise<OwnServer> {
  const folder = await createTempFolder(scheme);
  const [port = 0] = await findFreePorts(1);
  const [program = '', ...args] = await commandIn(folder.path, port);
  let child: Child | undefined;
  const kill = async (): Promise<void> => {
    child?.kill('SIGKILL');
    await child?.exited;
  };
  return {
    url: `${scheme}://127.0.0.1:${port}/`,
    start: async () => {
      child = startChild(program, args);
      await until(() => takesConnections(port), `${program} to take connections`);
    },
    kill,
    remove: async () => {
      await kill();
      await folder.remove();
    },
  };
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (yes: boolean) => (): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', answer(true)).once('error', answer(false));
  });
}
