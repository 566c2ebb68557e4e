import type { HostRole } from '@lastcall/kernel';
import type { ReleaseContent } from './release.js';

/*
 * What changes from one release to another: files by their path, bytes by their hash. A host fetches a blob once, and none that it has
 * from the first release; that is what an update costs.
 */

export interface FileOfTree {
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly sha256: string;
}

export interface FilesOf {
  readonly role: HostRole;
  readonly platform: string;
  readonly files: readonly FileOfTree[];
}

export interface FileChange {
  readonly kind: 'added' | 'changed' | 'removed';
  readonly path: string;
  /** 0 when it is not there. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface ArtifactDiff {
  readonly role: HostRole;
  readonly platform: string;
  /** In order of their path. */
  readonly changes: readonly FileChange[];
  readonly unchanged: number;
  readonly transferBytes: number;
}

const keyOf = ({ role, platform }: Pick<FilesOf, 'role' | 'platform'>): string => `${role}-${platform}`;

/** One for each role and platform of either release, in order. */
export function diffFiles(before: readonly FilesOf[], after: readonly FilesOf[]): readonly ArtifactDiff[] {
  const [old, young] = [before, after].map((all) => new Map(all.map((files) => [keyOf(files), files])));
  const both = new Map(
    [...before, ...after].map(({ role, platform }) => [keyOf({ role, platform }), { role, platform }]),
  );
  return [...both]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, which]) => ({ ...which, ...diffArtifact(old?.get(key)?.files ?? [], young?.get(key)?.files ?? []) }));
}

function diffArtifact(
  before: readonly FileOfTree[],
  after: readonly FileOfTree[],
): Omit<ArtifactDiff, 'role' | 'platform'> {
  const old = new Map(before.map((file) => [file.path, file]));
  const young = new Set(after.map(({ path }) => path));
  const changes = [
    ...after.flatMap((file) => changeOf(old.get(file.path), file) ?? []),
    ...before
      .filter(({ path }) => !young.has(path))
      .map(({ path, size }): FileChange => ({ kind: 'removed', path, bytesBefore: size, bytesAfter: 0 })),
  ].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const there = changes.filter(({ kind }) => kind !== 'removed').length;
  return { changes, unchanged: after.length - there, transferBytes: transferBytes(before, after) };
}

function changeOf(old: FileOfTree | undefined, { path, mode, size, sha256 }: FileOfTree): FileChange | undefined {
  if (!old) return { kind: 'added', path, bytesBefore: 0, bytesAfter: size };
  if (old.sha256 === sha256 && old.mode === mode) return undefined;
  return { kind: 'changed', path, bytesBefore: old.size, bytesAfter: size };
}

function transferBytes(before: readonly FileOfTree[], after: readonly FileOfTree[]): number {
  const has = new Set(before.map(({ sha256 }) => sha256));
  const wanted = new Map(after.map(({ sha256, size }) => [sha256, size]));
  return [...wanted].reduce((sum, [sha256, size]) => (has.has(sha256) ? sum : sum + size), 0);
}

export interface DemandChange {
  readonly name: string;
  /** Empty: nothing. */
  readonly before: string;
  readonly after: string;
}

/** A name, and what is demanded; empty or 0: nothing. */
export type Demands = Readonly<Record<string, string | number | readonly (string | number)[]>>;

export function diffDemands(before: Demands, after: Demands): readonly DemandChange[] {
  const text = (value: Demands[string] | undefined): string => {
    if (Array.isArray(value)) return value.join(', ');
    return value === undefined || value === 0 ? '' : String(value);
  };
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((name) => ({ name, before: text(before[name]), after: text(after[name]) }))
    .filter((change) => change.before !== change.after);
}

/** What hosts must offer, by the names that people see. */
export function demandsOf({ actions = [], requirements: r, updatesFrom, requiredVersions }: ReleaseContent): Demands {
  return {
    'updates from': updatesFrom,
    'required versions': requiredVersions,
    os: r.os.map(({ os, version }) => `${os} ${version}`.trim()),
    cpus: r.cpuCount,
    'memory bytes': r.memoryBytes,
    'free bytes for staging': r.stageFreeBytes,
    'free bytes for a backup': r.backupFreeBytes,
    ports: r.ports,
    'agent version': r.agentVersion,
    'antivirus folders': r.antivirus.folders,
    'antivirus files': r.antivirus.files,
    'antivirus processes': r.antivirus.processes,
    checks: (r.checks ?? []).map((c) => `${c.id} on ${c.role}`),
    actions: actions.map((a) => `${a.id} on ${a.role}`),
  };
}
