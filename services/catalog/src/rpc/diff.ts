import { catalogV1, checkVersion, hostRole } from '@lastcall/contracts';
import { parseManifest, type ReleaseManifest } from '@lastcall/contracts/manifest';
import { Defect, isRejected, type Rejected } from '@lastcall/kernel';
import type { BlobStore } from '../blobs.js';
import type { Documents } from '../documents.js';
import type { KnownRelease } from '../domain/release.js';
import {
  demandsOf,
  diffDemands,
  diffFiles,
  type ArtifactDiff,
  type Demands,
  type FileChange,
  type FilesOf,
} from '../domain/release-diff.js';
import { readTrees } from '../releases.js';
import { Wrong } from '../requests.js';
import { findRelease } from './releases.js';

/** A message has at most 1 MiB. */
const MAX_FILES = 1_000;
const MAX_PATH_CHARS = 200_000;

export async function diffReleases(
  { documents, blobs }: { readonly documents: Documents; readonly blobs: BlobStore },
  { parent, fromVersion, toVersion }: catalogV1.DiffReleasesRequest,
): Promise<catalogV1.DiffReleasesResponse | Rejected> {
  const wrong = new Wrong();
  const { product } = wrong.name('product', 'parent', parent);
  wrong.add(checkVersion('from_version', fromVersion), checkVersion('to_version', toVersion));
  const rejected = wrong.rejected();
  if (rejected) return rejected;
  const before = await readWhole(documents, blobs, product, fromVersion);
  if (isRejected(before)) return before;
  const after = await readWhole(documents, blobs, product, toVersion);
  if (isRejected(after)) return after;
  const artifacts = diffFiles(before.files, after.files);
  const [old, young] = [commandsOf(before.manifest), commandsOf(after.manifest)];
  return {
    artifacts: artifactsToWire(artifacts),
    transferBytes: BigInt(artifacts.reduce((sum, { transferBytes }) => sum + transferBytes, 0)),
    schema: [...diffDemands(schemaOf(before, old), schemaOf(after, young))],
    changesData: after.release.content.requirements.changesData,
    requirements: [...diffDemands(demandsOf(before.release.content), demandsOf(after.release.content))],
    commands: [...diffDemands(withoutData(old), withoutData(young))],
  };
}

interface Whole {
  readonly release: KnownRelease;
  readonly manifest: ReleaseManifest;
  readonly files: readonly FilesOf[];
}

async function readWhole(
  documents: Documents,
  blobs: BlobStore,
  product: string,
  version: string,
): Promise<Whole | Rejected> {
  const release = await findRelease(documents, product, version);
  if (isRejected(release)) return release;
  const { artifacts, manifestSha256 } = release.content;
  const trees = await readTrees(blobs, release.content);
  if (isRejected(trees)) return trees;
  const parsed = parseManifest((await blobs.read(manifestSha256))?.toString('utf8') ?? '');
  // It was read when the release was drafted.
  if (!parsed.ok) throw new Defect(`the manifest of ${product} ${version} cannot be read any more`);
  const files = artifacts.map(({ role, platform }, i) => ({ role, platform, files: trees[i]?.files ?? [] }));
  return { release, manifest: parsed.manifest, files };
}

/** `server.migrate`: the command as it is run, or the address that is asked. */
function commandsOf({ commands }: ReleaseManifest): Demands {
  const all = Object.entries(commands).flatMap(([role, ofRole]) =>
    Object.entries(ofRole).map(([name, command]: [string, { run?: readonly string[]; http?: string }]) => {
      return [`${role}.${name}`, command.http ?? (command.run ?? []).join(' ')] as const;
    }),
  );
  return Object.fromEntries(all);
}

const OF_DATA = ['server.migrate', 'server.backup', 'server.verifyBackup', 'server.restore'];

function schemaOf({ release }: Whole, commands: Demands): Demands {
  const ofData = OF_DATA.map((name) => [name, commands[name] ?? ''] as const);
  return { 'data version': release.content.requirements.dataVersion, ...Object.fromEntries(ofData) };
}

function withoutData(commands: Demands): Demands {
  return Object.fromEntries(Object.entries(commands).filter(([name]) => !OF_DATA.includes(name)));
}

const KINDS: Readonly<Record<FileChange['kind'], catalogV1.FileChangeKind>> = {
  added: catalogV1.FileChangeKind.ADDED,
  changed: catalogV1.FileChangeKind.CHANGED,
  removed: catalogV1.FileChangeKind.REMOVED,
};

/** As many files as one message takes, of the artifacts in their order. */
function artifactsToWire(artifacts: readonly ArtifactDiff[]): catalogV1.ArtifactDiff[] {
  let files = MAX_FILES;
  let chars = MAX_PATH_CHARS;
  const fits = ({ path }: FileChange): boolean => {
    files--;
    chars -= path.length;
    return files >= 0 && chars >= 0;
  };
  return artifacts.map((artifact) => {
    const { role, platform, changes, unchanged, transferBytes } = artifact;
    const shown = changes.filter(fits);
    return catalogV1.ArtifactDiff.fromPartial({
      ...{ role: hostRole.toWire(role), platform, unchanged, transferBytes: BigInt(transferBytes) },
      ...totals(changes),
      files: shown.map(({ kind, path, bytesBefore, bytesAfter }) => {
        return { kind: KINDS[kind], path, bytesBefore: BigInt(bytesBefore), bytesAfter: BigInt(bytesAfter) };
      }),
      leftOut: changes.length - shown.length,
    });
  });
}

function totals(changes: readonly FileChange[]) {
  const of = (wanted: FileChange['kind']) => {
    const found = changes.filter(({ kind }) => kind === wanted);
    const bytes = found.reduce((sum, c) => sum + (wanted === 'removed' ? c.bytesBefore : c.bytesAfter), 0);
    return { count: found.length, bytes: BigInt(bytes) };
  };
  const [added, changed, removed] = [of('added'), of('changed'), of('removed')];
  return {
    ...{ added: added.count, addedBytes: added.bytes, changed: changed.count, changedBytes: changed.bytes },
    ...{ removed: removed.count, removedBytes: removed.bytes },
  };
}
