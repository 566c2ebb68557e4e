import { parseTree, type ReleaseManifest, type Tree } from '@lastcall/contracts';
import { parseManifest } from '@lastcall/contracts/manifest';
import { isRejected, sha256Hex } from '@lastcall/kernel';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { exists, syncFolder, writeFileDurably } from './files.js';
import type { Layout } from './layout.js';
import { createPlatform } from './platform/platform.js';
import type { Platform } from './platform/port.js';
import { StepFailure } from './step-failure.js';
import { checkTree, type Seen } from './tree-check.js';
import type { SignedRelease } from './tuf/release-source.js';

/*
 * The releases on this host. Owns three things: the signed texts of a release (`releases/<version>`), which version is the current
 * one, and the swap: a link is led to another folder, which is one rename where the system has that (`platform/links.ts`), so that there is no
 * moment with half of a version.
 */

/** A release as its signed texts describe it. */
export interface Release {
  readonly version: string;
  readonly manifest: ReleaseManifest;
  readonly tree: Tree;
  readonly treeSha256: string;
}

/** Reads the signed texts strictly. Throws a StepFailure when they are not what they should be. */
export function parseRelease(texts: SignedRelease, product: string, version: string): Release {
  const manifest = parseReleaseManifest(texts.manifest, product, version);
  const tree = parseTree(texts.tree);
  if (isRejected(tree)) throw unusable(product, version, `its tree is refused: ${tree.message}`);
  return { version, manifest, tree, treeSha256: sha256Hex(texts.tree) };
}

export function parseReleaseManifest(text: Uint8Array, product: string, version: string): ReleaseManifest {
  const parsed = parseManifest(Buffer.from(text).toString('utf8'));
  if (!parsed.ok) {
    const first = parsed.problems[0];
    throw unusable(product, version, `its manifest is wrong in line ${first?.line}: ${first?.path} ${first?.rule}`);
  }
  const { manifest } = parsed;
  if (manifest.product === product && manifest.version === version) return manifest;
  throw unusable(product, version, `its manifest is that of ${manifest.product} ${manifest.version}`);
}

function unusable(product: string, version: string, why: string): StepFailure {
  const message = `${product} ${version} cannot be used: ${why}`;
  return new StepFailure('RELEASE_NOT_USABLE', message, { product, version });
}

export interface Releases {
  /** Puts right what a swap left that was cut off. Before anything else is asked. */
  settle(): Promise<void>;
  /** Empty for none. */
  installedVersion(): Promise<string>;
  /** The version that was current before the last swap; empty for none. */
  previousVersion(): Promise<string>;
  isStaged(version: string): Promise<boolean>;
  /** All of them; the one that was made current last comes first. */
  stagedVersions(): Promise<string[]>;
  /** Throws a StepFailure when the release is not staged on this host. */
  load(version: string): Promise<Release>;
  /** The same while its tree is still being staged. */
  loadTexts(version: string): Promise<Release>;
  keepTexts(version: string, texts: SignedRelease): Promise<void>;
  /** Makes a staged version the current one. */
  swapTo(version: string): Promise<void>;
  /** What is not as signed, at most a few. `exact`: files that were not signed count too. */
  findChanges(release: Release, exact: boolean, signal: AbortSignal): Promise<string[]>;
  treeOf(version: string): string;
  /** Removes all versions but these, and texts without a version. */
  keepOnly(versions: ReadonlySet<string>): Promise<void>;
}

export function createReleases(
  layout: Layout,
  product: string,
  platform: Pick<Platform, 'pointTo' | 'settleLink'> = createPlatform(),
): Releases {
  const treeOf = (version: string): string => join(layout.versions, version);
  const textsOf = (version: string): string => join(layout.releases, version);
  /** Versions that were found as signed, file by file, and have not been made current since. */
  const verified = new Map<string, Seen>();
  /** Each step asks for it; of 100,000 files reading takes a second and the memory of all of them, so it is read once as long as somebody has it. */
  const parsed = new Map<string, WeakRef<Release>>();
  const releases: Releases = {
    treeOf,
    settle: async () => {
      for (const link of [layout.previous, layout.current]) await platform.settleLink(link);
    },
    installedVersion: () => linkedVersion(layout.current),
    previousVersion: () => linkedVersion(layout.previous),
    isStaged: async (version) => (await exists(treeOf(version))) && (await exists(textsOf(version))),
    stagedVersions: async () => {
      const names = (await readdir(layout.versions)).filter((name) => existsSync(textsOf(name)));
      const found = await Promise.all(names.map(async (name) => ({ name, at: (await stat(textsOf(name))).mtimeMs })));
      return found.toSorted((a, b) => b.at - a.at).map(({ name }) => name);
    },
    load: async (version) => {
      if (!(await releases.isStaged(version))) throw notStaged(version);
      return releases.loadTexts(version);
    },
    loadTexts: async (version) => {
      if (!(await exists(textsOf(version)))) throw notStaged(version);
      const known = parsed.get(version)?.deref();
      if (known) return known;
      const read = (name: string): Promise<Buffer> => readFile(join(textsOf(version), name));
      const texts = { manifest: await read('lastcall.yaml'), tree: await read('tree.json') };
      const release = parseRelease(texts, product, version);
      parsed.set(version, new WeakRef(release));
      return release;
    },
    keepTexts: async (version, texts) => {
      parsed.delete(version);
      await mkdir(textsOf(version), { recursive: true });
      writeFileDurably(join(textsOf(version), 'lastcall.yaml'), texts.manifest);
      writeFileDurably(join(textsOf(version), 'tree.json'), texts.tree);
      syncFolder(layout.releases);
    },
    swapTo: async (version) => {
      if (!(await releases.isStaged(version))) throw notStaged(version);
      const before = await releases.installedVersion();
      if (before === version) return;
      if (before !== '') await platform.pointTo(layout.previous, treeOf(before));
      const now = new Date();
      await utimes(textsOf(version), now, now);
      await platform.pointTo(layout.current, treeOf(version));
    },
    findChanges: async ({ version, tree }, exact, signal) => {
      const { changes, seen } = await checkTree(treeOf(version), tree, { exact, signal });
      if (exact && changes.length === 0) verified.set(version, seen);
      else verified.delete(version);
      return [...changes];
    },
    keepOnly: async (versions) => {
      for (const dir of [layout.versions, layout.releases]) {
        for (const name of await readdir(dir)) {
          if (!versions.has(name)) await rm(join(dir, name), { recursive: true, force: true });
        }
      }
    },
  };
  return { ...releases, swapTo };

  /** What was verified is looked at again: the commands that ran in between may have touched it. */
  async function swapTo(version: string): Promise<void> {
    const before = verified.get(version);
    if (before) {
      const { tree } = await releases.load(version);
      const { changes } = await checkTree(treeOf(version), tree, { exact: true, before });
      if (changes.length > 0) throw stagedChanged(version, changes);
    }
    await releases.swapTo(version);
    verified.delete(version);
  }
}

/** Somebody has changed files of a version that was to be installed. */
export function stagedChanged(version: string, changes: readonly string[]): StepFailure {
  const message = `the staged version ${version} is not as signed, so it is not installed: ${changes.join('; ')}`;
  return new StepFailure('STAGED_CHANGED', message, { version, changes: changes.join('\n') });
}

async function linkedVersion(link: string): Promise<string> {
  return readlink(link).then(
    (target) => basename(target),
    () => '',
  );
}

function notStaged(version: string): StepFailure {
  return new StepFailure('NOT_STAGED', `version ${version} is not staged on this host`, { version });
}
