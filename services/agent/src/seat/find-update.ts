import type { ReleaseManifest } from '@lastcall/contracts';
import { obstacleTo } from '@lastcall/kernel';
import { availableParallelism, platform, release as osRelease, totalmem } from 'node:os';
import { compare } from 'semver';
import type { Agent } from '../agent.js';
import { newerVersions } from '../domain/next-version.js';
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
  signal: AbortSignal,
  wanted?: string,
): Promise<SeatNews> {
  const { product } = agent.record;
  const installedVersion = await agent.releases.installedVersion();
  if (wanted !== undefined && installedVersion !== '' && compare(wanted, installedVersion) <= 0) {
    const reason = `${wanted} is not newer than ${installedVersion}, which is installed`;
    return { installedVersion, release: undefined, reason };
  }
  const signed = wanted === undefined ? await agent.source.listVersions(product, signal) : [wanted];
  let reason = '';
  for (const version of newerVersions(installedVersion, signed, compare).slice(0, MAX_MANIFESTS)) {
    const found = await examine(agent, layout, version, installedVersion, signal);
    if ('manifest' in found) {
      const { title, notes } = found.manifest;
      return { installedVersion, release: { version, title, notes }, reason };
    }
    reason ||= found.obstacle;
  }
  reason ||= wanted === undefined ? `${installedVersion} is the newest release here` : `${wanted} is not offered here`;
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
    if (!(error instanceof StepFailure)) throw error;
    const { reason, message } = error.failure;
    // Signed and not served: the vendor does not offer it here.
    if (reason === 'METADATA_NOT_FOUND') return { obstacle: '' };
    if (['RELEASE_NOT_USABLE', 'RELEASE_NOT_FOUND', 'RELEASE_WITHDRAWN'].includes(reason)) return { obstacle: message };
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
