import { commonV1 } from '@lastcall/contracts';
import type { Child } from '@lastcall/testkit';
import { mkdir, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ROOT, startProgram } from './lastcall-processes.js';
import type { Services } from './services.js';

/* Hosts of the place: a folder each, and a real agent on it. */

export interface WorldHost {
  readonly id: string;
  readonly role: 'server' | 'terminal-server' | 'workstation';
}

export const HOSTS: readonly WorldHost[] = [
  { id: 'srv', role: 'server' },
  { id: 'ts', role: 'terminal-server' },
  { id: 'desk', role: 'workstation' },
];

const ROLES = {
  server: commonV1.HostRole.SERVER,
  'terminal-server': commonV1.HostRole.TERMINAL_SERVER,
  workstation: commonV1.HostRole.WORKSTATION,
} as const;

export interface Hosts {
  /** Joins it, installs its first version and starts its agent. */
  add(host: WorldHost, version: string): Promise<void>;
  start(host: string): Promise<void>;
  stop(host: string): Promise<void>;
  /** SIGKILL, and a start again. */
  killAndRestart(host: string): Promise<void>;
  agentOf(host: string): Child;
  dirOf(host: string): string;
  /** Version that `current` leads to. */
  versionOn(host: string): Promise<string>;
  /** That they joined with. */
  joinTokens(): readonly string[];
  stopAll(): Promise<void>;
}

export interface HostsOptions {
  readonly dir: string;
  /** `installations/{installation}`. */
  readonly parent: string;
  readonly address: string;
  readonly services: Services;
  readonly clientTokenFile: string;
  /** Program of the agents. */
  readonly agent: string;
  /** Runs a program to its end. */
  run(file: string, args: readonly string[]): Promise<void>;
  /** Before a host's agent joins. Answers what takes away what it made. */
  prepareHost(host: string, dir: string): Promise<(() => Promise<void>) | undefined>;
}

export function createHosts(options: HostsOptions): Hosts {
  const { services } = options;
  const agents = new Map<string, Child>();
  const tokens: string[] = [];
  const takeAway: ((() => Promise<void>) | undefined)[] = [];
  const dirOf = (host: string): string => join(options.dir, 'hosts', host);
  const agentOf = (host: string): Child => {
    const agent = agents.get(host);
    if (!agent) throw new Error(`no agent on ${host}`);
    return agent;
  };
  const start = async (host: string): Promise<void> => {
    const agent = startProgram(options.agent, ['run', '--data', dirOf(host)]);
    agents.set(host, agent);
    await agent.until(/connected/, 30_000);
  };
  return {
    start,
    agentOf,
    dirOf,
    add: async ({ id, role }, version) => {
      const request = { parent: options.parent, hostId: id, role: ROLES[role], validMinutes: 10 };
      const { token } = await services.installer.createJoinToken(request);
      tokens.push(token);
      await mkdir(dirOf(id), { recursive: true });
      takeAway.push(await options.prepareHost(id, dirOf(id)));
      await options.run(options.agent, ['join', '--data', dirOf(id), ...joinFlags(options, token)]);
      await options.run(options.agent, ['install', '--data', dirOf(id), '--version', version]);
      await start(id);
    },
    stop: async (host) => {
      await agents.get(host)?.stop();
    },
    killAndRestart: async (host) => {
      const agent = agentOf(host);
      agent.kill('SIGKILL');
      await agent.exited;
      await start(host);
    },
    joinTokens: () => tokens,
    versionOn: async (host) => basename(await readlink(join(dirOf(host), 'current'))),
    stopAll: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.stop()));
      for (const clean of takeAway) await clean?.();
    },
  };
}

function joinFlags({ address, clientTokenFile }: HostsOptions, token: string): readonly string[] {
  const env = { TINY_SDK: join(ROOT, 'libs/sdk/dist/index.js'), TINY_TOKEN_FILE: clientTokenFile };
  const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  return ['--addr', address, '--token', token, ...variables];
}
