import type { hostOrderV1 } from '@lastcall/contracts';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkedIn } from '../program/probation.js';
import { buildAgent, type AgentBuild } from './agent-releases.js';
import { startAgentService, type AgentService } from './agent-service.js';
import type { GrpcServer } from './host-edge.js';
import { sampleRelease } from './sample-release.js';
import { startTestHost, type TestHost } from './test-host.js';

/** A host whose agent is the program that a package has installed, started by a launcher that a service manager watches. */
export interface SelfUpdatingHost extends TestHost {
  readonly service: AgentService;
  /** Version of the agent that `program/current` leads to; empty: the one of the package. */
  linked(): string;
  /** What an update of the agent must not change. */
  identity(): string[];
  startService(...args: string[]): AgentService;
  orderUpdate(version: string, more?: Partial<hostOrderV1.HostOrder>): string;
}

export interface AgentPackage {
  readonly build: AgentBuild;
  startHost(server: GrpcServer, credentials: unknown): Promise<SelfUpdatingHost>;
  /** The same on a host whose own Node is too old, so that the launcher starts the agent on another one. */
  startOldHost(server: GrpcServer, credentials: unknown): Promise<SelfUpdatingHost>;
  remove(): void;
}

/** Once for each suite. */
export function packAgent(): AgentPackage {
  const build = buildAgent();
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-agent-package-'));
  const launcher = build.install(dir);
  return {
    build,
    startHost: (server, credentials) => startHost(launcher, server, credentials),
    startOldHost: (server, credentials) => startHost(launchOnOldNode(dir, launcher), server, credentials),
    remove: () => {
      build.remove();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Whatever Node the tests run on. */
function launchOnOldNode(dir: string, launcher: string): string {
  mkdirSync(join(dir, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(process.execPath, join(dir, 'node_modules', '.bin', 'node'));
  const file = join(dir, 'on-old-node.js');
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '20.0.0' });`;
  writeFileSync(file, `${pretend} require(${JSON.stringify(launcher)});`);
  return file;
}

async function startHost(launcher: string, server: GrpcServer, credentials: unknown): Promise<SelfUpdatingHost> {
  const host = await startTestHost(server, credentials);
  host.repository.publish(sampleRelease('11.0.0'), sampleRelease('11.1.0'));
  await host.join();
  await host.install('11.0.0');
  let service: AgentService | undefined;
  return {
    ...host,
    get service() {
      if (!service) throw new Error('the agent was not started');
      return service;
    },
    linked: () => linkedIn(join(host.dir, 'program')),
    identity: () => ['agent.json', 'identity.pem'].map((name) => readFileSync(join(host.dir, name), 'utf8')),
    startService: (...args) => {
      service = startAgentService(launcher, host.dir, '--settle-seconds', '0', ...args);
      return service;
    },
    orderUpdate: (version, more) => host.edge.order({ $case: 'updateAgent', value: { version } }, more),
    close: async () => {
      await service?.stop();
      await host.close();
    },
  };
}
