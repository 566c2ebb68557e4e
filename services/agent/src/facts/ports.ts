import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';

/*
 * Whether a TCP port can be used by the application: nobody listens on it, or the application itself does. It is the application when
 * the process that holds the socket got the folder of this agent in its environment, or works in it (Linux, from /proc).
 */

export type PortAnswer = { readonly kind: 'usable' | 'taken' } | { readonly kind: 'unknown'; readonly why: string };

export async function inspectPort(port: number, ownDir: string, proc = '/proc'): Promise<PortAnswer> {
  const code = await tryToListen(port);
  if (code === undefined) return { kind: 'usable' };
  if (code !== 'EADDRINUSE') return { kind: 'unknown', why: `port ${port} cannot be tried: ${code}` };
  if (process.platform !== 'linux')
    return { kind: 'unknown', why: `port ${port} is in use and nobody can say by whom` };
  const sockets = listeningSockets(port, proc);
  const owners = processesWith(sockets, proc);
  if (owners.length === 0)
    return { kind: 'unknown', why: `port ${port} is in use by a process that this agent may not see` };
  return { kind: owners.every((pid) => isOwn(`${proc}/${pid}`, ownDir)) ? 'usable' : 'taken' };
}

/** Undefined when it worked, otherwise the error's code. */
function tryToListen(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Inodes of the sockets that listen on the port. */
function listeningSockets(port: number, proc: string): ReadonlySet<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = ['tcp', 'tcp6'].flatMap((name) => readOrEmpty(`${proc}/net/${name}`).split('\n').slice(1));
  const LISTEN = '0A';
  return new Set(
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter((f) => f[1]?.endsWith(`:${hexPort}`) && f[3] === LISTEN)
      .map((f) => f[9] ?? ''),
  );
}

function processesWith(sockets: ReadonlySet<string>, proc: string): number[] {
  const links = new Set([...sockets].map((inode) => `socket:[${inode}]`));
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => namesIn(`${proc}/${pid}/fd`).some((fd) => links.has(linkOf(`${proc}/${pid}/fd/${fd}`))))
    .map(Number);
}

function isOwn(dir: string, ownDir: string): boolean {
  const below = (path: string): boolean => path === ownDir || path.startsWith(`${ownDir}/`);
  const appDir = readOrEmpty(`${dir}/environ`)
    .split('\0')
    .find((v) => v.startsWith('LASTCALL_APP_DIR='));
  return (
    below(appDir?.slice('LASTCALL_APP_DIR='.length) ?? '') || below(linkOf(`${dir}/cwd`)) || below(linkOf(`${dir}/exe`))
  );
}

/* Processes end while they are looked at, and others are not ours to see: both look like nothing. */

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
