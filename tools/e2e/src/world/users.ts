import { readlinkSync } from 'node:fs';
import type { Channel } from '@lastcall/sdk';
import { basename, join } from 'node:path';
import type { WorldHost } from './hosts.js';
import { createSimUser, type SimUser } from './sim-user.js';

/* The people of the place, one after the other on the hosts that have clients. */

export interface Users {
  readonly all: readonly SimUser[];
  /** Resolves when everybody, or everybody of `who`, is logged in. */
  everybodyIn(timeoutMs: number, who?: readonly SimUser[]): Promise<void>;
  leave(): Promise<void>;
}

export interface UsersOptions {
  readonly installation: string;
  readonly count: number;
  readonly hosts: readonly WorldHost[];
  readonly channel: Channel;
  dirOf(host: string): string;
}

export function createUsers(options: UsersOptions): Users {
  const { count, hosts, channel } = options;
  const watchers = new Set<() => void>();
  const desks = hosts.filter((h) => h.role !== 'server');
  const all = Array.from({ length: desks.length === 0 ? 0 : count }, (_, i) => {
    const host = desks[i % desks.length]?.id ?? '';
    return createSimUser({
      name: `user-${i}`,
      host,
      installation: options.installation,
      channel,
      version: () => basename(readlinkSync(join(options.dirOf(host), 'current'))),
      onChange: () => watchers.forEach((watcher) => watcher()),
    });
  });
  return {
    all,
    everybodyIn: (timeoutMs, who = all) => everybodyIn(who, watchers, timeoutMs),
    leave: async () => void (await Promise.all(all.map((user) => user.leave()))),
  };
}

function everybodyIn(users: readonly SimUser[], watchers: Set<() => void>, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      watchers.delete(look);
    };
    const look = (): void => {
      if (!users.every((user) => user.isConnected())) return;
      stop();
      resolve();
    };
    const timer = setTimeout(() => {
      stop();
      const out = users.filter((user) => !user.isConnected());
      const last = out.map((user) => `${user.name}: ${JSON.stringify(user.log.at(-1))}`);
      reject(new Error(`not everybody was in within ${timeoutMs} ms: ${last.join('; ')}`));
    }, timeoutMs);
    watchers.add(look);
    look();
  });
}
