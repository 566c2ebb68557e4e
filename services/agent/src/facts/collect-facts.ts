import type { ReleaseManifest, RoleCommands } from '@lastcall/contracts';
import { arch, availableParallelism, platform, release as osRelease, totalmem } from 'node:os';
import type { AntivirusProvider } from '../antivirus/provider.js';
import { inspectAntivirus } from '../antivirus/provider.js';
import { backupBytesNeeded } from '../backup/backup-space.js';
import type { Backups } from '../backups.js';
import type { CommandScope } from '../commands/release-commands.js';
import type { HostFacts, ReachTarget } from '../domain/order.js';
import { folderBytes } from '../files.js';
import type { Layout } from '../layout.js';
import { messageOf } from '../log.js';
import { parseReleaseManifest } from '../releases.js';
import { Interrupted, type FreeBytes } from '../step-failure.js';
import type { ReleaseSource } from '../tuf/release-source.js';
import { AGENT_VERSION } from '../version.js';
import { certificatesOf } from './certificates.js';
import { inspectPort } from './ports.js';
import { ownAddresses, reachPorts } from './reach.js';
import { askVendor, type VendorParts } from './vendor-checks.js';
import { volumesOf } from './volumes.js';

/*
 * What a host knows about itself. A question that cannot be answered is named in `unknown` with the reason, never guessed: preflight
 * lets nothing pass that is not known.
 */

export interface FactsParts extends VendorParts {
  readonly source: ReleaseSource;
  readonly backups: Backups;
  readonly freeBytes: FreeBytes;
  readonly antivirus: readonly AntivirusProvider[];
}

export interface FactsWanted {
  /** Of the release that is going to be installed; empty: without its requirements. */
  readonly version: string;
  /** The host whose ports are to be reached from this one. */
  readonly reach?: ReachTarget;
}

/** Facts for the release that is going to be installed; version empty: without its requirements. */
export async function collectFacts(
  parts: FactsParts,
  { version, reach }: FactsWanted,
  scope: CommandScope,
): Promise<HostFacts> {
  const { layout, releases } = parts;
  const { signal } = scope;
  const unknown: Record<string, string> = {};
  const ask = async <T>(name: string, question: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await question();
    } catch (error) {
      if (error instanceof Interrupted || signal.aborted) throw new Interrupted();
      unknown[name] = messageOf(error);
      return undefined;
    }
  };
  const installedVersion = await releases.installedVersion();
  const stageFreeBytes = await ask('stage_free_bytes', () => parts.freeBytes(layout.versions));
  const backupFreeBytes = await ask('backup_free_bytes', () => parts.freeBytes(layout.backups));
  const dataBytes = await ask('data_bytes', () => folderBytes(layout.data));
  const dataFreeBytes = await ask('data_free_bytes', () => parts.freeBytes(layout.data));
  const lastBackup = await ask('last_backup', () => parts.backups.last());
  const commands = await ask('can_back_up', () => installedCommands(parts, installedVersion));
  const hasProof = commands?.verifyBackup !== undefined;
  const demands = await askForDemands(parts, version, signal, ask, unknown);
  const isStaged = version !== '' && (await releases.isStaged(version));
  const volumes = await ask('volumes', () => volumesOf(layout));
  const vendorChecks = isStaged
    ? await ask('vendor_checks', () => askVendor(parts, version, installedVersion, scope))
    : undefined;
  const [certificates, reached] = await Promise.all([
    certificatesOf(parts.record, signal),
    reach ? reachPorts(reach, signal) : [],
  ]);
  return {
    ...machineFacts(),
    ...(stageFreeBytes !== undefined && { stageFreeBytes }),
    ...(backupFreeBytes !== undefined && { backupFreeBytes }),
    ...(dataBytes !== undefined && { dataBytes, backupNeededBytes: backupBytesNeeded(dataBytes, hasProof) }),
    agentVersion: AGENT_VERSION,
    installedVersion,
    clockAt: Date.now(),
    ...(lastBackup && { lastBackup }),
    ...demands,
    staged: isStaged,
    canBackUp: commands?.backup !== undefined,
    ...(volumes && { volumes }),
    ...(dataFreeBytes !== undefined && { dataFreeBytes }),
    ...(vendorChecks && { vendorChecks }),
    certificates,
    addresses: ownAddresses(),
    reached,
    unknown,
  };
}

function machineFacts(): Pick<HostFacts, 'os' | 'osVersion' | 'architecture' | 'cpuCount' | 'memoryBytes'> {
  return {
    os: platform(),
    osVersion: osRelease(),
    architecture: arch(),
    cpuCount: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

type AskFor = <T>(name: string, question: () => T | Promise<T>) => Promise<T | undefined>;

/** What depends on the release that is going to be installed. */
async function askForDemands(
  parts: FactsParts,
  version: string,
  signal: AbortSignal,
  ask: AskFor,
  unknown: Record<string, string>,
): Promise<Pick<HostFacts, 'ports' | 'antivirus'>> {
  const manifest = version === '' ? undefined : await ask('ports', () => manifestOf(parts, version, signal));
  const why = unknown['ports'];
  if (why !== undefined) return { ports: [], ...noAntivirus(unknown, why) };
  const ports: { port: number; usable: boolean }[] = [];
  for (const port of manifest?.requires.ports ?? []) {
    const answer = await inspectPort(port, parts.layout.root);
    if (answer.kind !== 'unknown') ports.push({ port, usable: answer.kind === 'usable' });
    else unknown['ports'] = answer.why;
  }
  const demanded = resolveExceptions(parts.layout, manifest, version);
  const answer = await inspectAntivirus(parts.antivirus, demanded, signal);
  if (answer.kind === 'unknown') return { ports, ...noAntivirus(unknown, answer.why) };
  return { ports, antivirus: answer.facts };
}

function noAntivirus(unknown: Record<string, string>, why: string): Record<string, never> {
  unknown['antivirus'] = why;
  return {};
}

/** The manifest is on this host when the release is staged; else it is fetched, signed, from the catalog. */
async function manifestOf(parts: FactsParts, version: string, signal: AbortSignal): Promise<ReleaseManifest> {
  const { releases, source, record } = parts;
  if (await releases.isStaged(version)) return (await releases.load(version)).manifest;
  return parseReleaseManifest(await source.fetchManifest(record.product, version, signal), record.product, version);
}

async function installedCommands({ releases, record }: FactsParts, installed: string): Promise<RoleCommands> {
  if (installed === '') return {};
  const { manifest } = await releases.load(installed);
  return manifest.commands[record.role] ?? {};
}

/** `${dataDir}` and `${appDir}` as they are here. The files of a version lie in a folder of their own. */
function resolveExceptions(layout: Layout, manifest: ReleaseManifest | undefined, version: string) {
  const appDir = `${layout.versions}/${version}`;
  const resolve = (text: string): string => text.replaceAll('${dataDir}', layout.data).replaceAll('${appDir}', appDir);
  const { folders, files, processes } = manifest?.antivirus ?? { folders: [], files: [], processes: [] };
  return { folders: folders.map(resolve), files: files.map(resolve), processes: processes.map(resolve) };
}
