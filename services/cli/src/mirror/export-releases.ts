import { parseTree } from '@lastcall/contracts';
import { isRejected, sha256Hex } from '@lastcall/kernel';
import { CallError, CODE, type Connection } from '@lastcall/sdk';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import type { Agent } from 'node:http';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { catalogAgent, getFile, readFileOf } from '../publish/catalog-http.js';
import { inParallel } from '../publish/in-parallel.js';

/*
 * The signed files of the catalog as a folder, laid out as the catalog serves them: `tuf/…` and `blobs/{sha256}`. It is carried to a site without internet, or
 * copied to a web space for single seats. Whoever reads it verifies the signatures; here only the names are held against the bytes. The
 * timestamp is written last, so a folder never shows metadata whose files are not there yet; what is there already is not fetched again.
 */

export interface ExportedReleases {
  readonly releases: number;
  readonly files: number;
  /** Bytes that were fetched now. */
  readonly fetchedBytes: number;
  /** Until when hosts accept the folder: the first moment at which something in it expires. Export again before. */
  readonly validUntil: string;
  /** SHA-256 of the newest root: its fingerprint, which the first import is told. */
  readonly root: string;
}

interface Door {
  readonly connection: Connection;
  readonly agent: Agent;
  /** Absolute. */
  readonly folder: string;
  fetchedBytes: number;
}

interface Blob {
  readonly sha256: string;
  readonly size: number;
}

const AT_ONCE = 4;
const MAX_METADATA_BYTES = 16 * 2 ** 20;
const MAX_ROOTS = 1_024;

/** What goes into the folder, versions by product. What else is signed is named in the metadata, and not offered. */
export type Offered = ReadonlyMap<string, ReadonlySet<string>>;

export async function exportReleases(
  connection: Connection,
  folder: string,
  offered: Offered,
  onBlobs: (count: number, bytes: number) => { add(bytes: number): void; done(): void },
): Promise<ExportedReleases> {
  const agent = catalogAgent(connection, AT_ONCE);
  const door: Door = { connection, agent, folder: resolve(folder), fetchedBytes: 0 };
  try {
    const timestamp = await read(door, 'tuf/timestamp.json');
    const metadata = await readMetadata(door, timestamp, offered);
    const targets = [...metadata.values()].flatMap((bytes) => targetsOf(bytes, offered));
    await inParallel(AT_ONCE, targets, (target) => fetchBlob(door, target.path, target));
    const blobs = await blobsOf(door, targets);
    const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
    const bar = onBlobs(blobs.length, bytes);
    await inParallel(AT_ONCE, blobs, async (blob) => {
      await fetchBlob(door, `blobs/${blob.sha256}`, blob);
      bar.add(blob.size);
    });
    bar.done();
    const root = await copyRoots(door);
    for (const [name, bytes] of metadata) await keep(door, `tuf/${name}`, bytes);
    await keep(door, 'tuf/timestamp.json', timestamp);
    await removeOthers(folder, offered);
    const releases = targets.filter(({ path }) => path.endsWith('.lastcall.yaml')).length;
    const signed = [root, timestamp, ...metadata.values()].map((bytes) => signedPart(bytes).expires);
    const [validUntil = ''] = signed.toSorted();
    return { releases, files: blobs.length, fetchedBytes: door.fetchedBytes, validUntil, root: sha256Hex(root) };
  } finally {
    agent.destroy();
  }
}

interface SignedPart {
  readonly version: number;
  /** `YYYY-MM-DDTHH:MM:SSZ`: the order of the texts is that of the times. */
  readonly expires: string;
  readonly meta?: Readonly<Record<string, { readonly version: number }>>;
  readonly targets?: Readonly<
    Record<string, { readonly length: number; readonly hashes: { readonly sha256: string } }>
  >;
  readonly delegations?: { readonly roles?: readonly { readonly name: string; readonly paths?: readonly string[] }[] };
}

function signedPart(bytes: Buffer): SignedPart {
  return (JSON.parse(bytes.toString('utf8')) as { signed: SignedPart }).signed;
}

/** Snapshot and roles by their names, each after what refers to it. Roles of other products stay away. */
async function readMetadata(door: Door, timestamp: Buffer, offered: Offered): Promise<ReadonlyMap<string, Buffer>> {
  const snapshotName = `${signedPart(timestamp).meta?.['snapshot.json']?.version}.snapshot.json`;
  const snapshot = await read(door, `tuf/${snapshotName}`);
  const versions = signedPart(snapshot).meta ?? {};
  const roles = new Map<string, Buffer>();
  const toVisit = ['targets'];
  for (let role = toVisit.shift(); role !== undefined; role = toVisit.shift()) {
    const name = `${versions[`${role}.json`]?.version}.${role}.json`;
    if (roles.has(name)) continue;
    const bytes = await read(door, `tuf/${name}`);
    roles.set(name, bytes);
    toVisit.push(...delegatedRoles(signedPart(bytes), offered));
  }
  return new Map([...[...roles].toReversed(), [snapshotName, snapshot]]);
}

function delegatedRoles({ delegations }: SignedPart, offered: Offered): string[] {
  const mayHold = (path: string): boolean => path.startsWith('*') || offered.has(path.split('/')[0] ?? '');
  return (delegations?.roles ?? []).filter(({ paths }) => !paths || paths.some(mayHold)).map(({ name }) => name);
}

interface ExportedTarget extends Blob {
  /** In the folder. */
  readonly path: string;
}

function targetsOf(bytes: Buffer, offered: Offered): ExportedTarget[] {
  const isOffered = (path: string): boolean => {
    const [product = '', version = ''] = path.split('/');
    return offered.get(product)?.has(version) === true;
  };
  return Object.entries(signedPart(bytes).targets ?? {})
    .filter(([path]) => isOffered(path))
    .map(([path, { length: size, hashes }]) => {
      const slash = path.lastIndexOf('/') + 1;
      const { sha256 } = hashes;
      return { path: `tuf/targets/${path.slice(0, slash)}${sha256}.${path.slice(slash)}`, sha256, size };
    });
}

/** Every file of every tree, once. */
async function blobsOf(door: Door, targets: readonly ExportedTarget[]): Promise<readonly Blob[]> {
  const blobs = new Map<string, Blob>();
  for (const { path } of targets.filter((target) => target.path.endsWith('.tree.json'))) {
    const tree = parseTree(await readFile(placeOf(door, path)));
    if (isRejected(tree)) throw new CallError(CODE.dataLoss, `${path} of the catalog is no tree: ${tree.message}`);
    for (const { sha256, size } of tree.files) blobs.set(sha256, { sha256, size });
  }
  return [...blobs.values()];
}

/** All roots, so that whoever pinned an old one finds the way, and the newest under a name of its own; answers that one. A mirror has none before the one it pinned. */
async function copyRoots(door: Door): Promise<Buffer> {
  const newest = await read(door, 'tuf/root.json');
  const { version: last } = signedPart(newest);
  for (let version = last; version > Math.max(0, last - MAX_ROOTS); version--) {
    const bytes = await read(door, `tuf/${version}.root.json`).catch((error: unknown) => {
      if (error instanceof CallError && error.code === CODE.notFound) return undefined;
      throw error;
    });
    if (!bytes) break;
    await keep(door, `tuf/${version}.root.json`, bytes);
  }
  await keep(door, 'tuf/root.json', newest);
  return newest;
}

/** What was offered here once and is not any more: withdrawn, or the channel went back. Its bytes may stay, nobody finds them. */
async function removeOthers(folder: string, offered: Offered): Promise<void> {
  for (const [product, versions] of offered) {
    const dir = join(folder, 'tuf', 'targets', product);
    const gone = (await readdir(dir).catch(() => [])).filter((version) => !versions.has(version));
    for (const version of gone) await rm(join(dir, version), { recursive: true, force: true });
  }
}

async function read(door: Door, path: string): Promise<Buffer> {
  const bytes = await readFileOf(door.connection, door.agent, path, MAX_METADATA_BYTES);
  door.fetchedBytes += bytes.byteLength;
  return bytes;
}

async function fetchBlob(door: Door, path: string, { sha256, size }: Blob): Promise<void> {
  const file = placeOf(door, path);
  // It got its name only after it was hashed.
  if ((await stat(file).catch(() => undefined))?.size === size) return;
  const source = path.startsWith('blobs/') ? path : `blobs/${sha256}`;
  await writeBeside(file, async (beside) => {
    const hash = createHash('sha256');
    const response = await getFile(door.connection, door.agent, source);
    response.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      door.fetchedBytes += chunk.byteLength;
    });
    await pipeline(response, createWriteStream(beside, { flush: true }));
    if (hash.digest('hex') !== sha256) throw new CallError(CODE.dataLoss, `${source} of the catalog has other bytes`);
  });
}

/** Paths come from the catalog's metadata, which nobody has verified here: none may lead out of the folder. */
function placeOf({ folder }: Door, path: string): string {
  const file = resolve(folder, path);
  if (relative(folder, file).split(sep)[0] !== '..') return file;
  throw new CallError(CODE.dataLoss, `the catalog names ${JSON.stringify(path)}, which leads out of the folder`);
}

async function keep(door: Door, path: string, bytes: Buffer): Promise<void> {
  await writeBeside(placeOf(door, path), async (beside) => {
    const handle = await open(beside, 'w');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

/** Whole or not there. */
async function writeBeside(file: string, write: (beside: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const beside = `${file}.part`;
  try {
    await write(beside);
    await rename(beside, file);
  } finally {
    await rm(beside, { force: true });
  }
}
