import {
  checkTree,
  formatTree,
  hostRole,
  parseTree,
  type catalogV1,
  type Tree,
  type TreeEntry,
} from '@lastcall/contracts';
import { MANIFEST_MAX_BYTES, parseManifest, type ReleaseManifest } from '@lastcall/contracts/manifest';
import { invalid, isRejected, type HostRole, type Rejected, type Violation } from '@lastcall/kernel';
import semver from 'semver';
import type { BlobStore } from './blobs.js';
import type { ReleaseArtifact, ReleaseContent, Requirements } from './domain/release.js';

/*
 * A request to draft a release as its content: the manifest and one tree for each of its artifacts, everything checked. The manifest
 * and the trees' JSON are what will be signed; they are kept as blobs.
 */

/** A tree of the request, named for violations. */
interface GivenTree {
  readonly field: string;
  readonly role: HostRole;
  readonly platform: string;
  readonly tree: Tree;
}

export interface Draft {
  readonly content: ReleaseContent;
  /** Every blob that the release needs, with its size. */
  readonly files: ReadonlyMap<string, number>;
}

/** `product` is that of the request's parent. */
export async function readDraft(
  blobs: BlobStore,
  product: string,
  request: catalogV1.CreateReleaseRequest,
): Promise<Draft | Rejected> {
  const manifest = readManifest(request.manifest, product);
  if (isRejected(manifest)) return manifest;
  const trees =
    request.treeBlobs.length > 0
      ? await treesFromBlobs(blobs, manifest, request.treeBlobs)
      : treesFromMessage(manifest, request.artifacts);
  if (isRejected(trees)) return trees;
  const files = collectFiles(trees);
  if (isRejected(files)) return files;
  const manifestSha256 = await blobs.keep(request.manifest);
  const artifacts = await Promise.all(trees.map((given) => keepTree(blobs, given)));
  return { content: toContent(manifest, manifestSha256, request.manifest.byteLength, artifacts), files };
}

function readManifest(bytes: Uint8Array, product: string): ReleaseManifest | Rejected {
  if (bytes.byteLength === 0 || bytes.byteLength > MANIFEST_MAX_BYTES) {
    const description = `has ${bytes.byteLength} bytes; 1 to ${MANIFEST_MAX_BYTES} are allowed`;
    return invalid([{ field: 'manifest', description }]);
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return invalid([{ field: 'manifest', description: 'is no UTF-8 text' }]);
  const parsed = parseManifest(text);
  if (!parsed.ok) {
    return invalid(
      parsed.problems.map(({ line, path, rule }) => {
        return { field: `manifest:${line}`, description: `${path === '' ? '' : `${path} `}${rule}` };
      }),
    );
  }
  const { manifest } = parsed;
  const violations: Violation[] = [];
  if (manifest.product !== product) {
    violations.push({ field: 'parent', description: `names ${product}, and the manifest ${manifest.product}` });
  }
  for (const version of [manifest.version, manifest.updatesFrom.oldest, ...manifest.updatesFrom.required]) {
    if (version === '' || semver.valid(version) !== null) continue;
    violations.push({ field: 'manifest', description: `names ${version}, which is no semantic version (semver 2.0)` });
  }
  return violations.length > 0 ? invalid(violations) : manifest;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // The caller says so.
  }
}

const LOOK_AT_ONCE = 64;
const MAX_VIOLATIONS = 100;

const keyOf = (role: HostRole, platform: string): string => `${role}-${platform}`;

function treesFromMessage(
  manifest: ReleaseManifest,
  artifacts: readonly catalogV1.Artifact[],
): readonly GivenTree[] | Rejected {
  const violations: Violation[] = [];
  const given = new Map<string, GivenTree>();
  artifacts.forEach((artifact, i) => {
    const field = `artifacts[${i}]`;
    const role = hostRole.fromWire(artifact.role);
    const wanted = manifest.artifacts.find((a) => a.role === role && a.platform === artifact.platform);
    if (!wanted) {
      violations.push({ field, description: 'is not one of the manifest (role and platform must be the same)' });
      return;
    }
    if (given.has(keyOf(wanted.role, wanted.platform))) violations.push({ field, description: 'is there twice' });
    const tree = checkTree(artifact.files.map(toEntry), `${field}.files`);
    if (isRejected(tree)) violations.push(...tree.violations);
    else given.set(keyOf(wanted.role, wanted.platform), { field, role: wanted.role, platform: wanted.platform, tree });
  });
  for (const { role, platform } of manifest.artifacts) {
    if (given.has(keyOf(role, platform)) || violations.length > 0) continue;
    violations.push({ field: 'artifacts', description: `lack the tree for ${role} on ${platform}` });
  }
  return violations.length > 0 ? invalid(violations) : [...given.values()];
}

function toEntry(file: catalogV1.TreeFile): TreeEntry {
  return { path: file.path, mode: file.mode, size: Number(file.sizeBytes), sha256: file.sha256 };
}

async function treesFromBlobs(
  blobs: BlobStore,
  manifest: ReleaseManifest,
  hashes: readonly string[],
): Promise<readonly GivenTree[] | Rejected> {
  if (hashes.length !== manifest.artifacts.length) {
    const description = `has ${hashes.length} hashes; the manifest has ${manifest.artifacts.length} artifacts`;
    return invalid([{ field: 'tree_blobs', description }]);
  }
  const read = await Promise.all(hashes.map((hash, i) => treeFromBlob(blobs, `tree_blobs[${i}]`, hash)));
  const violations = read.flatMap((tree) => (isRejected(tree) ? tree.violations : []));
  if (violations.length > 0) return invalid(violations);
  return manifest.artifacts.flatMap(({ role, platform }, i): GivenTree[] => {
    const tree = read[i];
    return tree && !isRejected(tree) ? [{ field: `tree_blobs[${i}]`, role, platform, tree }] : [];
  });
}

async function treeFromBlob(blobs: BlobStore, field: string, hash: string): Promise<Tree | Rejected> {
  const bytes = /^[0-9a-f]{64}$/.test(hash) ? await blobs.read(hash) : undefined;
  if (bytes) return parseTree(bytes, field);
  return invalid([{ field, description: 'is no blob that the catalog has; upload it first (PUT /blobs/{sha256})' }]);
}

/** All blobs with their sizes. The same hash with two sizes cannot be true of both. */
function collectFiles(trees: readonly GivenTree[]): ReadonlyMap<string, number> | Rejected {
  const sizes = new Map<string, number>();
  const violations: Violation[] = [];
  for (const { field, tree } of trees) {
    for (const { path, sha256, size } of tree.files) {
      const other = sizes.get(sha256);
      if (other === undefined) sizes.set(sha256, size);
      else if (other !== size && violations.length < MAX_VIOLATIONS) {
        const description = `says that ${JSON.stringify(path)} has ${size} bytes, and another file with the same hash ${other}`;
        violations.push({ field, description });
      }
    }
  }
  return violations.length > 0 ? invalid(violations) : sizes;
}

async function keepTree(blobs: BlobStore, { role, platform, tree }: GivenTree): Promise<ReleaseArtifact> {
  const bytes = Buffer.from(formatTree(tree));
  const treeSha256 = await blobs.keep(bytes);
  const { totalBytes } = tree;
  return { role, platform, treeSha256, treeBytes: bytes.byteLength, fileCount: tree.files.length, totalBytes };
}

function toRequirements({ requires, antivirus, checks, commands }: ReleaseManifest): Requirements {
  return {
    os: requires.os.map(({ name, version }) => ({ os: name, version })),
    cpuCount: requires.cpus,
    memoryBytes: requires.memoryBytes,
    stageFreeBytes: requires.stageFreeBytes,
    backupFreeBytes: requires.backupFreeBytes,
    ports: requires.ports,
    agentVersion: requires.agentVersion,
    dataVersion: requires.dataVersion,
    changesData: commands.server?.migrate !== undefined,
    antivirus,
    ...(checks && { checks: checks.map(({ id, role, asks, remedy }) => ({ id, role, asks, remedy })) }),
  };
}

function toContent(
  manifest: ReleaseManifest,
  manifestSha256: string,
  manifestBytes: number,
  artifacts: readonly ReleaseArtifact[],
): ReleaseContent {
  return {
    product: manifest.product,
    version: manifest.version,
    title: manifest.title,
    notes: manifest.notes,
    updatesFrom: manifest.updatesFrom.oldest,
    requiredVersions: manifest.updatesFrom.required,
    requirements: toRequirements(manifest),
    ...(manifest.actions && {
      actions: manifest.actions.map(({ id, title, role, timeoutMs }) => ({ id, title, role, maxRunTimeMs: timeoutMs })),
    }),
    artifacts: artifacts.toSorted((a, b) => (keyOf(a.role, a.platform) < keyOf(b.role, b.platform) ? -1 : 1)),
    manifestSha256,
    manifestBytes,
  };
}

/** Blobs that are not here yet. Refuses a size that is not the blob's. Looks at a bounded number at a time. */
export async function missingBlobs(
  blobs: BlobStore,
  files: ReadonlyMap<string, number>,
): Promise<readonly string[] | Rejected> {
  const missing: string[] = [];
  const violations: Violation[] = [];
  const entries = [...files].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (let i = 0; i < entries.length && violations.length < MAX_VIOLATIONS; i += LOOK_AT_ONCE) {
    const some = entries.slice(i, i + LOOK_AT_ONCE);
    const sizes = await Promise.all(some.map(([sha256]) => blobs.sizeOf(sha256)));
    some.forEach(([sha256, size], k) => {
      const found = sizes[k];
      if (found === undefined) missing.push(sha256);
      else if (found !== size) {
        violations.push({ field: 'artifacts', description: `say that ${sha256} has ${size} bytes; it has ${found}` });
      }
    });
  }
  return violations.length > 0 ? invalid(violations) : missing;
}

/** The trees of a release that was drafted here, as its artifacts have them. */
export async function readTrees(blobs: BlobStore, content: ReleaseContent): Promise<readonly Tree[] | Rejected> {
  const trees: Tree[] = [];
  for (const { treeSha256 } of content.artifacts) {
    const tree = await treeFromBlob(blobs, 'artifacts', treeSha256);
    if (isRejected(tree)) return tree;
    trees.push(tree);
  }
  return trees;
}
