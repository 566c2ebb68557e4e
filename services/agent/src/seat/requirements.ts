import type { ReleaseManifest } from '@lastcall/contracts';
import { coerce, compare } from 'semver';

/*
 * Whether this computer can take a release: what `requires` of its manifest says about the computer itself. On a seat nobody else asks.
 */

export interface SeatFacts {
  readonly os: string;
  /** Of its kernel or build. */
  readonly osVersion: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly stageFreeBytes: number;
  readonly backupFreeBytes: number;
  readonly agentVersion: string;
  /** Version of the data: the installed one; empty for none. */
  readonly installedVersion: string;
}

/** Each demand that is not met, as a sentence. */
export function unmetRequirements({ requires }: ReleaseManifest, facts: SeatFacts): readonly string[] {
  const { os, cpus, memoryBytes, stageFreeBytes, backupFreeBytes, agentVersion, dataVersion } = requires;
  const enough = (what: string, found: number, wanted: number): string | undefined =>
    found >= wanted ? undefined : `${what}: ${found} here, ${wanted} needed`;
  const newEnough = (what: string, found: string, wanted: string): string | undefined =>
    wanted === '' || found === '' || compare(found, wanted) >= 0 ? undefined : `${what}: ${found} here, ${wanted} needed`; // prettier-ignore
  return [
    systemProblem(os, facts),
    enough('processors', facts.cpuCount, cpus),
    enough('memory in bytes', facts.memoryBytes, memoryBytes),
    enough('free bytes for the download', facts.stageFreeBytes, stageFreeBytes),
    enough('free bytes for the backup', facts.backupFreeBytes, backupFreeBytes),
    newEnough('agent', facts.agentVersion, agentVersion),
    newEnough('data', facts.installedVersion, dataVersion),
  ].filter((problem) => problem !== undefined);
}

function systemProblem(systems: ReleaseManifest['requires']['os'], { os, osVersion }: SeatFacts): string | undefined {
  if (systems.length === 0) return undefined;
  const fits = systems.some(({ name, version }) => name === os && (version === '' || isAtLeast(osVersion, version)));
  if (fits) return undefined;
  const wanted = systems.map(({ name, version }) => `${name} ${version}`.trim()).join(' or ');
  return `operating system: ${os} ${osVersion} here, ${wanted} needed`;
}

/** Kernels are named like `6.8.0-41-generic`; what cannot be read is not new enough. */
function isAtLeast(found: string, wanted: string): boolean {
  const [have, want] = [coerce(found), coerce(wanted)];
  return have !== null && want !== null && compare(have, want) >= 0;
}
