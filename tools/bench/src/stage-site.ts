import { catalogV1, commonV1, formatName, installerV1 } from '@lastcall/contracts';
import { randomFillSync } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startChild, type Child } from '@lastcall/testkit';
import type { Bench } from './benchmark.js';
import { finished, FLAGS, LASTCALL, ROOT, startNode, type Lastcall } from './lastcall.js';
import { readCpuMs, readMemory } from './process-usage.js';

/*
 * A product that is nothing but files, published as a vendor does, and hosts that run the real agent.
 */

const PRODUCT = 'files';
const AGENT = join(ROOT, 'services/agent/bin/lastcall-agent.js');
/** A container often has no other user, and the release that is measured has no commands. */
const AS_ROOT_TOO = { LASTCALL_AGENT_ALLOW_ROOT: '1' };

export interface Files {
  readonly count: number;
  readonly bytesEach: number;
}

/** Paths of the files below the folder of the artifact. */
export function pathsOf({ count }: Files): string[] {
  return Array.from({ length: count }, (_, i) => `part-${i % 50}/file-${i}.bin`);
}

/** A release folder with random files; answers the folder of the artifact. */
export function writeRelease(dir: string, version: string, files: Files): string {
  const artifact = join(dir, version, 'build');
  for (const path of pathsOf(files)) writeRandom(join(artifact, path), files.bytesEach);
  writeManifest(dir, version);
  return artifact;
}

/** The next version: the same files, every so manyth one with other bytes. Answers how many. */
export function writeNextRelease(dir: string, from: string, version: string, files: Files, every: number): number {
  cpSync(join(dir, from), join(dir, version), { recursive: true });
  const changed = pathsOf(files).filter((_, i) => i % every === 0);
  for (const path of changed) writeRandom(join(dir, version, 'build', path), files.bytesEach);
  writeManifest(dir, version);
  return changed.length;
}

function writeRandom(path: string, bytes: number): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, randomFillSync(Buffer.allocUnsafe(bytes)));
}

function writeManifest(dir: string, version: string): void {
  const artifacts = 'artifacts:\n  - { role: server, directory: build }\n';
  const text = `product: ${PRODUCT}\nversion: ${version}\ntitle: Files ${version}\n${artifacts}commands: {}\n`;
  writeFileSync(join(dir, version, 'lastcall.yaml'), text);
}

export async function publish(lastcall: Lastcall, folder: string): Promise<void> {
  const env = {
    LASTCALL_ADDR: lastcall.addressOf('catalog'),
    LASTCALL_TOKEN_FILE: lastcall.operatorTokenFile,
    LASTCALL_CATALOG_URL: lastcall.catalogUrl,
  };
  await finished(startNode([LASTCALL, 'release', 'publish', folder], env), 'release publish');
}

export interface StagingHost {
  readonly dataDir: string;
}

export interface HostOptions {
  /** Default: files and nothing else. */
  readonly product?: string;
  /** More words of `lastcall-agent join`. */
  readonly join?: readonly string[];
}

/** An installation with one server that has joined and holds nothing yet. */
export async function addHost(
  bench: Bench,
  lastcall: Lastcall,
  id: string,
  { product = PRODUCT, join: more = [] }: HostOptions = {},
): Promise<StagingHost> {
  const catalog = lastcall.client('catalog', catalogV1.CatalogServiceService);
  const kind = commonV1.InstallationKind.MULTI_USER;
  const installation = { title: id, product, kind, channel: 'stable', timeZone: 'UTC' };
  await catalog.createInstallation({
    installationId: id,
    installation: catalogV1.Installation.fromPartial(installation),
  });
  const installer = lastcall.client('installer', installerV1.InstallerServiceService);
  const parent = formatName('installation', { installation: id });
  const role = commonV1.HostRole.SERVER;
  const { token } = await installer.createJoinToken({ parent, hostId: 'server', role, validMinutes: 60 });
  const dataDir = join(bench.dir, id);
  const addr = lastcall.addressOf('installer');
  const words = ['join', '--data', dataDir, '--addr', addr, '--token', token, ...more];
  await finished(startNode([AGENT, ...words], AS_ROOT_TOO), 'join');
  return { dataDir };
}

/** Another way to the catalog, until the host connects again. */
export function useCatalog({ dataDir }: StagingHost, url: string): void {
  const file = join(dataDir, 'agent.json');
  const record = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...record, catalogUrl: url }), { mode: 0o600 });
}

export interface Staged {
  /** From the beginning of the order to the version being whole, verified and on the disk. */
  readonly ms: number;
  readonly steps: Readonly<Record<string, number>>;
  /** Of the agent's process, its start included. */
  readonly cpuMs: number;
  readonly peakMib: number;
}

/** The real agent with these words. */
export function startAgent(...words: readonly string[]): Child {
  return startChild(process.execPath, [...FLAGS, AGENT, ...words], AS_ROOT_TOO);
}

const STEPS = ['metadata', 'download', 'build'];

/** The agent stages and, because it is the same command, installs: a product without commands. What is measured ends with the staging. */
export async function stage({ dataDir }: StagingHost, version: string): Promise<Staged> {
  const agent = startAgent('install', '--data', dataDir, '--version', version);
  const steps: Record<string, number> = {};
  let usage = { cpuMs: 0, peakMib: 0 };
  agent.onLine((line) => {
    const { event, step, durationMs } = parse(line);
    if (event !== 'step ended' || step === undefined || !STEPS.includes(step)) return;
    steps[step] = durationMs ?? 0;
    if (step === 'build') usage = { cpuMs: readCpuMs(agent.pid), peakMib: readMemory(agent.pid).peakMib };
  });
  await finished(agent, 'lastcall-agent install');
  return { ms: STEPS.reduce((sum, step) => sum + (steps[step] ?? 0), 0), steps, ...usage };
}

export interface LogLine {
  readonly event?: string;
  readonly step?: string;
  readonly durationMs?: number;
}

export function parse(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return {}; // A line for people.
  }
}
