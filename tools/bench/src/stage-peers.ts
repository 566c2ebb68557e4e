import { findFreePorts, startChild, until } from '@lastcall/testkit';
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench } from './benchmark.js';

/*
 * The same bytes by others: nginx serves the folder, curl writes it to the same disk. Neither hashes, links nor waits for the disk; how long
 * that wait would have been is measured after it. It has to be waited for in any case: whoever comes next would pay for these bytes too, because
 * an agent has the whole file system written.
 */

export interface CurlTime {
  /** Until curl has ended. */
  readonly ms: number;
  /** Until what it wrote was on the disk. */
  readonly onDiskMs: number;
}

export interface CurlPeer {
  /** All files, one after the other on one connection (`1`) or some at once. */
  fetchAll(atOnce: number): Promise<CurlTime>;
  readonly says: string;
}

/** Undefined where one of the two is not installed. */
export async function startCurlPeer(
  bench: Bench,
  root: string,
  paths: readonly string[],
): Promise<CurlPeer | undefined> {
  const says = [versionOf('nginx', '-v'), versionOf('curl', '--version')];
  if (says.includes('')) return undefined;
  const [port = 0] = await findFreePorts(1);
  const dir = join(bench.dir, 'nginx');
  mkdirSync(dir);
  // The workers of a server that was started as root are another user.
  for (const folder of [bench.dir, dir]) chmodSync(folder, 0o755);
  writeFileSync(join(dir, 'nginx.conf'), configuration(dir, root, port));
  const nginx = startChild('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf')]);
  bench.onEnd(() => nginx.stop());
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/${paths[0]}`)).ok, 'nginx to serve');
  let runs = 0;
  return {
    says: says.join(', '),
    fetchAll: async (atOnce) => {
      const out = join(bench.dir, `curl-${++runs}`);
      const list = `${out}.txt`;
      writeFileSync(list, paths.map((path) => `url=${url}/${path}\noutput=${join(out, path)}\n`).join(''));
      for (const folder of new Set(paths.map(dirname))) mkdirSync(join(out, folder), { recursive: true });
      const began = performance.now();
      const parallel = atOnce > 1 ? ['--parallel', '--parallel-max', String(atOnce)] : [];
      const curl = startChild('curl', ['--silent', '--no-progress-meter', '--fail', ...parallel, '--config', list]);
      const { code } = await curl.exited;
      const ms = performance.now() - began;
      if (code !== 0) throw new Error(`curl ended with ${code}: ${curl.lines.slice(-3).join(' ')}`);
      await waitForDisk(out);
      return { ms, onDiskMs: performance.now() - began };
    },
  };
}

/** All that was written to the file system of this folder is on the disk afterwards. */
export async function waitForDisk(dir: string): Promise<void> {
  await promisify(execFile)('sync', ['-f', dir]);
}

function versionOf(program: string, flag: string): string {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' });
  return /[^\s/]+[ /][\d.]+/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[0] ?? '';
}

/** As packages ship it, for one folder, without a log. */
function configuration(dir: string, root: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${dir}/${kind};`,
  );
  return `daemon off; worker_processes auto; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_timeout 65; keepalive_requests 1000000;
  ${temporary.join(' ')}
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`;
}
