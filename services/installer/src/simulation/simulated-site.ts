import {
  hostEdgeV1,
  hostRole,
  installerV1,
  preflightV1,
  runSpecToWire,
  type EventMessage,
  type EventType,
  type ServiceDefinition,
} from '@lastcall/contracts';
import { HOUR_MS, randomId, type RunHost, type RunSpec } from '@lastcall/kernel';
import type { Channel, UnaryClient } from '@lastcall/sdk';
import { createSimulatedAgent, type AgentWord, type SimulatedAgent } from './simulated-agent.js';

/*
 * An installation for tests: its hosts join through the real edges, and what the other services would say about a run is said
 * here in their words.
 */

/** What is needed of the services under test. */
export interface SiteServices {
  client<D extends ServiceDefinition>(definition: D): UnaryClient<D>;
  channelWith(credential: string): Channel;
  publish<T extends EventType>(type: T, installation: string, message: EventMessage<T>): Promise<unknown>;
}

/** Words of all hosts in one line, with the host. */
export interface HostWord extends AgentWord {
  readonly host: string;
}

export const HOSTS: readonly RunHost[] = [
  { host: 'srv', role: 'server', mayFollowLater: false },
  { host: 'ts', role: 'terminal-server', mayFollowLater: false },
  { host: 'ws1', role: 'workstation', mayFollowLater: true },
  { host: 'ws2', role: 'workstation', mayFollowLater: true },
];

export interface SimulatedSite {
  readonly installation: string;
  agent(host: string): SimulatedAgent;
  join(host: string, token: string, publicKey?: Buffer): Promise<hostEdgeV1.JoinResponse>;
  token(host: string): Promise<string>;
  joinAll(): Promise<void>;
  connect(...hosts: string[]): void;
  runOf(more?: Partial<RunSpec>): RunSpec;
  passPreflight(run: RunSpec, absentHosts?: readonly string[]): Promise<void>;
  takeBackup(run: RunSpec, restorePoint?: string): Promise<void>;
  confirmDrain(run: RunSpec): Promise<void>;
  requestCancel(run: RunSpec): Promise<void>;
}

/** `services` is asked each time, because a test may stop them and start them again. */
export function createSimulatedSite(services: () => SiteServices, onWord: (word: HostWord) => void): SimulatedSite {
  const installation = randomId('site');
  const agents = new Map(
    HOSTS.map(({ host }) => {
      const options = { installation, host, version: '11.0.0', onWord: (w: AgentWord) => onWord({ ...w, host }) };
      return [host, createSimulatedAgent(options)];
    }),
  );
  const agent = (host: string): SimulatedAgent => {
    const found = agents.get(host);
    if (!found) throw new Error(`there is no host ${host} in this site`);
    return found;
  };
  const say = async <T extends EventType>(type: T, message: EventMessage<T>): Promise<void> => {
    await services().publish(type, installation, message);
  };
  const site: SimulatedSite = {
    installation,
    agent,
    token: async (host) => {
      const role = HOSTS.find((h) => h.host === host)?.role ?? 'workstation';
      const parent = `installations/${installation}`;
      const request = { parent, hostId: host, role: hostRole.toWire(role), validMinutes: 0 };
      return (await services().client(installerV1.InstallerServiceService).createJoinToken(request)).token;
    },
    join: (host, token, publicKey = agent(host).publicKey) =>
      services()
        .client(hostEdgeV1.HostEdgeServiceService)
        .join({ token, publicKey, platform: 'linux-x64', agentVersion: '0.1.0', installedVersion: '11.0.0' }),
    joinAll: async () => {
      for (const { host } of HOSTS) await site.join(host, await site.token(host));
    },
    connect: (...hosts) => {
      for (const host of hosts) agent(host).connect(services().channelWith(agent(host).credential()));
    },
    runOf: (more = {}) => runOf(installation, more),
    passPreflight: (run, absentHosts = []) =>
      say('PreflightPassed', { run: runSpecToWire(run), report: 'p-1', absentHosts: [...absentHosts] }),
    takeBackup: (run, restorePoint = 'rp-1') =>
      say('BackupTaken', { run: runSpecToWire(run), backup: preflightV1.Backup.fromPartial({ restorePoint }) }),
    confirmDrain: (run) => say('DrainConfirmed', { run: runSpecToWire(run), epoch: 1 }),
    requestCancel: (run) =>
      say('RunCancelRequested', { run: runSpecToWire(run), requestedBy: 'anna', reason: 'not today', expired: false }),
  };
  return site;
}

function runOf(installation: string, more: Partial<RunSpec>): RunSpec {
  const now = Date.now();
  return {
    ...{ run: randomId('r'), installation, job: 'job', type: 'software-update', kind: 'multi-user' },
    ...{ product: 'encore', fromVersion: '11.0.0', toVersion: '11.1.0', hosts: HOSTS, reactionTimeMs: 0, message: '' },
    ...{ backupMode: 'take', backupMaxAgeMs: 48 * HOUR_MS, fence: 1, nominalAt: now, startedAt: now },
    ...{ deadlineAt: now + HOUR_MS, requestedBy: 'operator', timeZone: 'UTC', holdsAllowed: false, whatsNew: '' },
    ...more,
  };
}
