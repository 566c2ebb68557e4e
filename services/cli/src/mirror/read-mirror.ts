import { formatMirrorIndex, type CarriedRelease } from '@lastcall/trust';
import { sha256Hex } from '@lastcall/kernel';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FileProblems } from '../failures.js';
import type { Blob } from '../publish/upload-blobs.js';

/*
 * A folder of `mirror export` as what the catalog at the other site is sent. Nothing is verified here: the catalog does that.
 */

export interface MirrorFolder {
  /** The index, as the catalog takes it. */
  readonly index: Buffer;
  /** SHA-256 of the newest root in it. */
  readonly root: string;
  /** A blob by its hash; undefined when it is not in the folder. */
  find(sha256: string): Promise<Blob | undefined>;
}

interface Snapshot {
  readonly signed: { readonly meta: Readonly<Record<string, { readonly version: number }>> };
}

export async function readMirror(folder: string): Promise<MirrorFolder> {
  const metadata = new Map<string, string>();
  const take = async (name: string): Promise<string> => {
    const text = await readFile(join(folder, 'tuf', name), 'utf8');
    metadata.set(name, text);
    return text;
  };
  try {
    const snapshot = snapshotOf(await take('timestamp.json'));
    const { signed } = JSON.parse(await take(snapshot)) as Snapshot;
    // A folder that is carried again and again has roles of earlier publications beside those that count, and may lack those of other products.
    const named = new Set(Object.entries(signed.meta).map(([file, { version }]) => `${version}.${file}`));
    const there = await readdir(join(folder, 'tuf'));
    for (const name of there.filter((name) => named.has(name) || /^\d+\.root\.json$/.test(name))) await take(name);
    const root = sha256Hex(await readFile(join(folder, 'tuf', 'root.json')));
    const texts = await findTexts(join(folder, 'tuf', 'targets'));
    const index = formatMirrorIndex({ metadata, releases: texts.releases });
    return { index, root, find: (sha256) => find(folder, texts.paths, sha256) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const rule = `is no folder of "lastcall mirror export", or only a part of one: ${why}; export again`;
    throw new FileProblems([{ file: folder, rule }]);
  }
}

function snapshotOf(timestamp: string): string {
  const { signed } = JSON.parse(timestamp) as Snapshot;
  return `${signed.meta['snapshot.json']?.version}.snapshot.json`;
}

interface Texts {
  readonly releases: readonly CarriedRelease[];
  /** Manifests and trees by their hash. */
  readonly paths: ReadonlyMap<string, string>;
}

/** `{product}/{version}/{sha256}.{file}` */
async function findTexts(dir: string): Promise<Texts> {
  const releases: CarriedRelease[] = [];
  const paths = new Map<string, string>();
  for (const product of await readdir(dir)) {
    for (const version of await readdir(join(dir, product))) {
      releases.push({ product, version });
      for (const name of await readdir(join(dir, product, version))) {
        paths.set(name.slice(0, 64), join(dir, product, version, name));
      }
    }
  }
  return { releases, paths };
}

async function find(folder: string, texts: ReadonlyMap<string, string>, sha256: string): Promise<Blob | undefined> {
  for (const source of [join(folder, 'blobs', sha256), texts.get(sha256)]) {
    const size = source === undefined ? undefined : (await stat(source).catch(() => undefined))?.size;
    if (source !== undefined && size !== undefined) return { sha256, size, source };
  }
  return undefined;
}
