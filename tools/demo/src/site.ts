import type { Child } from '@lastcall/testkit';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stage } from './stage.js';

/*
 * An installation of Encore: its hosts, each with an agent of its own, and where things are on them.
 */

export const INSTALLATION = 'berlin';

export interface SiteHost {
  readonly id: string;
  readonly role: 'server' | 'terminal-server' | 'workstation';
  /** How many of the users work on it. */
  readonly users: number;
}

/** Everybody works on these. */
export const HOSTS: readonly SiteHost[] = [
  { id: 'srv1', role: 'server', users: 0 },
  { id: 'ts1', role: 'terminal-server', users: 24 },
  { id: 'desk1', role: 'workstation', users: 8 },
  { id: 'desk2', role: 'workstation', users: 8 },
];

/** Switched off when the update comes, and on again later. */
export const LATE: SiteHost = { id: 'desk3', role: 'workstation', users: 0 };

/** Where Lastcall is, as its commands and the hosts reach it. */
export interface Endpoints {
  readonly grpc: string;
  readonly http: string;
}

export interface Site {
  readonly endpoints: Endpoints;
  readonly encorePort: number;
  readonly clientTokenFile: string;
}

export function hostDir(stage: Stage, host: string): string {
  return join(stage.dir, 'hosts', host);
}

/** The application's data on its server. */
export function databaseFile(stage: Stage, host = 'srv1'): string {
  return join(hostDir(stage, host), 'data', 'encore.db');
}

/** Encore's server outlives its agent, as a service does: it is stopped by its own command. */
export async function stopEncore(stage: Stage, host = 'srv1'): Promise<void> {
  const dir = hostDir(stage, host);
  const program = join(dir, 'current', 'encore.js');
  if (!existsSync(program)) return;
  await stage.startNode(program, ['stop'], { LASTCALL_DATA_DIR: join(dir, 'data') }, stage.dir).exited;
}

export function readEndpoints(dataDir: string): Endpoints {
  return JSON.parse(readFileSync(join(dataDir, 'endpoints.json'), 'utf8')) as Endpoints;
}

/** A token for the host, the agent joins with it, installs the first version and goes on running. */
export async function addHost(
  stage: Stage,
  site: Site,
  host: SiteHost,
  installation: string,
  show: boolean,
): Promise<Child> {
  const speak: Stage['run'] = (...command) => (show ? stage.type(...command) : stage.run(...command));
  const dir = hostDir(stage, host.id);
  mkdirSync(dir, { recursive: true });
  const args = ['host', 'join-token', host.id, '--role', host.role, '-i', installation, '-o', 'json'];
  const { lines } = await speak('lastcall', args, { quiet: true });
  const { token } = JSON.parse(lines.join('\n')) as { token: string };
  const join = [
    'join',
    '--data',
    dir,
    '--addr',
    site.endpoints.grpc,
    '--token',
    token,
    '--env',
    `ENCORE_PORT=${site.encorePort}`,
    '--env',
    `ENCORE_TOKEN_FILE=${site.clientTokenFile}`,
  ];
  await stage.run('lastcall-agent', join);
  await stage.run('lastcall-agent', ['install', '--data', dir, '--version', '11.0.0']);
  return startAgent(stage, host.id);
}

export async function startAgent(stage: Stage, host: string): Promise<Child> {
  const agent = stage.start('lastcall-agent', ['run', '--data', hostDir(stage, host)]);
  await agent.until(/connected/i, 30_000);
  return agent;
}
