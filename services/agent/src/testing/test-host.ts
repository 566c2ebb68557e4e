import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAgent, type Agent, type AgentOptions } from '../agent.js';
import { installHere } from '../install.js';
import { joinInstallation } from '../join.js';
import { createLog } from '../log.js';
import { startHostEdge, type GrpcServer, type HostEdge } from './host-edge.js';
import { startRepository, type TestRepository } from './tuf-repository.js';

/** One host with its data folder, a catalog and an edge, all real, in this process. */
export interface TestHost {
  readonly dir: string;
  readonly edge: HostEdge;
  readonly repository: TestRepository;
  /** Log lines of the agent. */
  readonly lines: string[];
  join(): Promise<void>;
  install(version: string): Promise<void>;
  start(options?: Partial<AgentOptions>): Promise<Agent>;
  stop(): Promise<void>;
  /** JSON of a file below the application's data. */
  data(file: string): unknown;
  /** What the application was called to do, without health checks. */
  calls(): string[];
  behave(behaviour: Record<string, string>): void;
  close(): Promise<void>;
}

export async function startTestHost(
  server: GrpcServer,
  credentials: unknown,
  options: { join?: Record<string, unknown> } = {},
): Promise<TestHost> {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-agent-'));
  const repository = await startRepository('encore');
  const join_ = {
    ...{ catalogUrl: repository.url, trustedRoot: repository.root },
    get trustedTimestamp() {
      return repository.served.get('/tuf/timestamp.json') ?? Buffer.alloc(0);
    },
    ...options.join,
  };
  const edge = await startHostEdge({ server, credentials, join: join_ });
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  let agent: Agent | undefined;
  const file = (name: string): string => join(dir, 'data', name);
  const host: TestHost = {
    dir,
    edge,
    repository,
    lines,
    join: async () => {
      const { address } = edge;
      await joinInstallation({ dataDir: dir, address, token: 'one-time', env: { EXTRA: 'said' }, tlsCaFile: '' });
    },
    install: async (version) => {
      const { failure } = await installHere({ dataDir: dir, log }, version);
      if (failure) throw new Error(`${failure.reason}: ${failure.message}`);
    },
    start: async (more) => {
      agent = await openAgent({ dataDir: dir, log, antivirus: [], heartbeatMs: 200, ...more });
      agent.start();
      return agent;
    },
    stop: async () => {
      await agent?.stop();
      agent = undefined;
    },
    data: (name) => (existsSync(file(name)) ? (JSON.parse(readFileSync(file(name), 'utf8')) as unknown) : undefined),
    calls: () => {
      const text = existsSync(file('calls.txt')) ? readFileSync(file('calls.txt'), 'utf8') : '';
      return text.split('\n').filter((line) => line !== '' && !line.endsWith(' health'));
    },
    behave: (behaviour) => {
      mkdirSync(join(dir, 'data'), { recursive: true });
      writeFileSync(file('behaviour.json'), JSON.stringify(behaviour));
    },
    close: async () => {
      await host.stop();
      edge.close();
      await repository.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return host;
}
