import type { ReleaseManifest } from '@lastcall/contracts';
import { availableParallelism, platform, release as osRelease, totalmem } from 'node:os';
import { compare } from 'semver';
import type { Agent } from '../agent.js';
import { newerVersions, obstacleTo } from '../domain/next-version.js';
import type { SeatBook } from '../domain/seat-update.js';
import type { Layout } from '../layout.js';
import { parseReleaseManifest } from '../releases.js';
import { statFreeBytes, StepFailure } from '../step-failure.js';
import { AGENT_VERSION } from '../version.js';
import { unmetRequirements } from './requirements.js';

/*
 * What is new for this seat, from the signed files alone: the versions among the signed targets, their manifests, the rule.
 */

export interface SeatNews {
  /** Empty for none. */
  readonly installedVersion: string;
  /** Newest release that the seat may take now. */
  readonly release: { readonly version: string; readonly title: string; readonly notes: string } | undefined;
  /** Why there is none, or why it is not the newest; empty when it is the newest. */
  readonly reason: string;
}

/** Manifests that are read at most; the newest that can be taken is nearly always among the first. */
const MAX_MANIFESTS = 50;

export async function findUpdate(
  agent: Agent,
  layout: Layout,
  channel: string,
  signal: AbortSignal,
  wanted?: string,
): Promise<SeatNews> {
  const { product } = agent.record;
  const installedVersion = await agent.releases.installedVersion();
  const offered = await agent.source.listVersions(product, signal);
  const newer = newerVersions(installedVersion, channel, offered, compare);
  const candidates = wanted === undefined ? newer : [wanted];
  if (candidates.length === 0) {
    const reason = offered.length === 0 ? `no release of ${product} is signed` : `${installedVersion} is the newest release of channel ${channel}`; // prettier-ignore
    return { installedVersion, release: undefined, reason };
  }
  if (wanted !== undefined && installedVersion !== '' && compare(wanted, installedVersion) <= 0) {
    const reason = `${wanted} is not newer than ${installedVersion}, which is installed`;
    return { installedVersion, release: undefined, reason };
  }
  return firstThatFits(agent, layout, { installedVersion, candidates }, signal);
}

async function firstThatFits(
  agent: Agent,
  layout: Layout,
  { installedVersion, candidates }: { installedVersion: string; candidates: readonly string[] },
  signal: AbortSignal,
): Promise<SeatNews> {
  let reason = '';
  for (const version of candidates.slice(0, MAX_MANIFESTS)) {
    const found = await examine(agent, layout, version, installedVersion, signal);
    if ('manifest' in found) {
      const { title, notes } = found.manifest;
      return { installedVersion, release: { version, title, notes }, reason };
    }
    reason ||= found.obstacle;
  }
  return { installedVersion, release: undefined, reason };
}

/** `obstacle` is why it cannot be taken. */
type Examined = { readonly manifest: ReleaseManifest } | { readonly obstacle: string };

async function examine(
  agent: Agent,
  layout: Layout,
  version: string,
  installed: string,
  signal: AbortSignal,
): Promise<Examined> {
  const { product } = agent.record;
  try {
    const text = await agent.source.fetchManifest(product, version, signal);
    const manifest = parseReleaseManifest(text, product, version);
    const { oldest, required } = manifest.updatesFrom;
    const obstacle = obstacleTo({ version, oldest, required }, installed, compare);
    if (obstacle !== undefined) return { obstacle };
    const [unmet] = unmetRequirements(manifest, factsOf(layout, installed));
    return unmet === undefined ? { manifest } : { obstacle: `this computer cannot take ${version}: ${unmet}` };
  } catch (error) {
    // One release that cannot be used says nothing about the others; a chain of signatures that is broken does.
    const isItsOwn = error instanceof StepFailure && ['RELEASE_NOT_USABLE', 'RELEASE_NOT_FOUND'].includes(error.failure.reason); // prettier-ignore
    if (isItsOwn) return { obstacle: error.message };
    throw error;
  }
}

function factsOf(layout: Layout, installedVersion: string) {
  return {
    os: platform(),
    osVersion: osRelease(),
    cpuCount: availableParallelism(),
    memoryBytes: totalmem(),
    stageFreeBytes: statFreeBytes(layout.blobs),
    backupFreeBytes: statFreeBytes(layout.backups),
    agentVersion: AGENT_VERSION,
    installedVersion,
  };
}

/** Said beside news of a version that this seat has had before. */
export function triedBefore({ history }: SeatBook, version: string): string {
  const last = history.find((outcome) => outcome.version === version && outcome.result === 'gone-back');
  return last === undefined ? '' : (last.failure?.message ?? '');
}
