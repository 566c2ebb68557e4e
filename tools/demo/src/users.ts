import type { Child } from '@lastcall/testkit';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HOSTS, hostDir, INSTALLATION, type Site, type SiteHost } from './site.js';
import type { Stage } from './stage.js';

/*
 * The people: each a real client process that is started from the host's current version, books, keeps a draft, and is started
 * again when it ends because of an update, as a desktop's shortcut would be.
 */

const START_AGAIN = 75;

export interface User {
  readonly name: string;
  readonly host: SiteHost;
  readonly logFile: string;
  /** Everything that all its clients have shown, with the time. */
  readonly log: readonly string[];
  type(command: string): void;
  /** Resolves when a line has come since the last call of `mark` that fits. */
  sees(pattern: RegExp, timeoutMs?: number): Promise<void>;
  mark(): void;
  leave(): Promise<void>;
}

const NAMES = ['ada', 'ben', 'cem', 'dora', 'emil', 'fay', 'gita', 'hugo', 'ines', 'jan'];

export function createUsers(stage: Stage, site: Site): readonly User[] {
  mkdirSync(join(stage.dir, 'logs'), { recursive: true });
  const hosts = HOSTS.flatMap((host) => Array.from({ length: host.users }, () => host));
  return hosts.map((host, i) =>
    createUser(stage, site, `${NAMES[i % NAMES.length]}-${Math.floor(i / NAMES.length) + 1}`, host),
  );
}

function createUser(stage: Stage, site: Site, name: string, host: SiteHost): User {
  const logFile = join(stage.dir, 'logs', `${name}.log`);
  const log: string[] = [];
  const watchers = new Set<() => void>();
  let marked = 0;
  let leaving = false;
  let client: Child | undefined;
  const current = join(hostDir(stage, host.id), 'current');
  const env = {
    LASTCALL_ADDR: site.endpoints.grpc,
    LASTCALL_INSTALLATION: INSTALLATION,
    LASTCALL_HOST: host.id,
    LASTCALL_TOKEN_FILE: site.clientTokenFile,
    ENCORE_URL: `http://127.0.0.1:${site.encorePort}`,
  };
  const note = (line: string): void => {
    const stamped = `${new Date().toISOString()} ${line}`;
    log.push(stamped);
    appendFileSync(logFile, `${stamped}\n`);
    for (const watcher of watchers) watcher();
  };
  const start = (): void => {
    const child = stage.startNode(join(current, 'client.js'), ['--user', name], env, current);
    client = child;
    follow(child, note);
    void child.exited.then(({ code }) => {
      note(`(client ended with ${code})`);
      // The agent ends what the old version has left running; whoever was waiting at the gate starts the client again.
      const wasOut = code === null && log.findLast((line) => /logged (in|off)/.test(line))?.includes('logged off');
      if ((code === START_AGAIN || wasOut) && !leaving) start();
    });
  };
  start();
  return {
    name,
    host,
    logFile,
    log,
    type: (command) => client?.write(`${command}\n`),
    mark: () => {
      marked = log.length;
    },
    sees: (pattern, timeoutMs = 60_000) => sees(() => log.slice(marked), watchers, pattern, timeoutMs, name),
    leave: async () => {
      leaving = true;
      client?.write('quit\n');
      await client?.exited;
    },
  };
}

/** Hands every line over as it comes. */
function follow(child: Child, note: (line: string) => void): void {
  child.onLine(note);
}

function sees(
  lines: () => readonly string[],
  watchers: Set<() => void>,
  pattern: RegExp,
  timeoutMs: number,
  name: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (!lines().some((line) => pattern.test(line))) return;
      clearTimeout(timer);
      watchers.delete(look);
      resolve();
    };
    const timer = setTimeout(() => {
      watchers.delete(look);
      reject(
        new Error(
          `${name} did not see ${pattern} within ${timeoutMs} ms; last lines:\n${lines().slice(-5).join('\n')}`,
        ),
      );
    }, timeoutMs);
    watchers.add(look);
    look();
  });
}
