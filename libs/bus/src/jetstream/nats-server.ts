import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICES } from './permissions.js';

/** A nats-server of the test's own, which can be stopped and started again on the same port and data. Tests only. */
export interface NatsServer {
  readonly url: string;
  /** With the credentials that the files of deploy/nats ask for; the others ask for none. */
  urlOf(user: string): string;
  /** Resolves when it is ready for connections. */
  start(): Promise<void>;
  /** SIGKILL: nothing that was acknowledged may be lost. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGHUP: it reads its configuration again, while its clients stay. */
  reload(): void;
  cleanUp(): Promise<void>;
}

export interface NatsServerOptions {
  readonly port: number;
  readonly name: string;
  /** Further lines of configuration. */
  readonly more?: string;
  /** A file to be used instead of one of our own. Its ports are overridden. */
  readonly configuration?: string;
  /** Further arguments. */
  readonly args?: readonly string[];
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const passwordOf = (user: string): string => `p${user}-only-for-tests`;

export function createNatsServer(options: NatsServerOptions): NatsServer {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-nats-'));
  const env = {
    NATS_STORE_DIR: join(folder, 'data'),
    NATS_NAME: options.name,
    ...Object.fromEntries(
      [...SERVICES, 'system'].map((user) => [`NATS_PASSWORD_${user.toUpperCase()}`, passwordOf(user)]),
    ),
  };
  const args = ['-c', options.configuration ?? ownConfiguration(folder, options), '-a', '127.0.0.1'];
  args.push('-p', String(options.port), ...(options.args ?? []));
  let child: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null) return;
    const gone = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill('SIGKILL');
    await gone;
  };
  return {
    url: `nats://127.0.0.1:${options.port}`,
    urlOf: (user) => `nats://${user}:${passwordOf(user)}@127.0.0.1:${options.port}`,
    start: async () => {
      const started = spawn('nats-server', args, {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child = started;
      await new Promise<void>((resolve, reject) => {
        let log = '';
        started.once('error', reject);
        started.once('exit', () => reject(new Error(`nats-server ended: ${log}`)));
        started.stderr.setEncoding('utf8').on('data', (chunk: string) => {
          log += chunk;
          if (log.includes('Server is ready')) resolve();
        });
      });
    },
    kill,
    reload: () => void child?.kill('SIGHUP'),
    cleanUp: async () => {
      await kill();
      rmSync(folder, { recursive: true });
    },
  };
}

function ownConfiguration(folder: string, { name, more = '' }: NatsServerOptions): string {
  const file = join(folder, 'server.conf');
  const jetstream = `jetstream { store_dir: "${folder}/data", sync_interval: always }`;
  writeFileSync(file, `server_name: ${name}\n${jetstream}\n${more}\n`);
  return file;
}

/**
 * A suite that starts servers of its own, with settings of its own: no server that somebody names would do. Skipped by its name where there is no such
 * program, as it is on a machine of somebody who only has the sources; where backends are required (LASTCALL_REQUIRE_BACKENDS=1) it runs and fails.
 */
export function describeWithServer(name: string, suite: () => void): void {
  const isThere = spawnSync('nats-server', ['--version']).status === 0;
  const isRequired = process.env['LASTCALL_REQUIRE_BACKENDS'] === '1';
  (isThere || isRequired ? describe : describe.skip)(`${name} (nats-server on the PATH)`, suite);
}
