import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '@lastcall/kernel';
import { sign, signedPart, snapshotBody, timestampBody, type Json, type TufKey } from '@lastcall/trust';
import type { Collection } from '@lastcall/store';
import type { Lifetimes, OfflineTrust, RepositoryHead, SignedFile, SignedRole } from '../domain/repository.js';
import { writeWhole } from '../files.js';
import type { Authority } from './authority.js';

/*
 * From what has to be said to files and the one write that makes them visible. Every file is named by its version and never changes.
 */

export interface RepositoryDocument {
  /** Last number that a pass has taken. */
  readonly number: number;
  readonly head: RepositoryHead | null;
}

/** Where a pass stands; for tests that end it there. */
export type PassStep = 'begun' | 'role-written' | 'snapshot-written' | 'published';

export interface Workplace {
  readonly documents: Collection<RepositoryDocument>;
  readonly metadataDir: string;
  readonly lifetimes: Lifetimes;
  readonly onStep?: ((step: PassStep) => void) | undefined;
}

export const DOCUMENT = 'main';
/** A client that began with an older timestamp may still fetch the files that it names. */
const KEEP_UNREFERENCED_MS = 2 * 86_400_000;

export async function readHead({ documents }: Workplace): Promise<RepositoryHead | undefined> {
  return (await documents.get(DOCUMENT))?.data.head ?? undefined;
}

/** A number that no file has and no other pass takes, with the head as it is then. */
export async function takeNumber(place: Workplace): Promise<{ number: number; head: RepositoryHead | undefined }> {
  // Beyond what is on disk too: a store that was restored from a backup must not go back in what clients have seen.
  const onDisk = Math.max(0, ...(await readdir(place.metadataDir)).map(numberOf));
  return place.documents.change(DOCUMENT, (current) => {
    const number = Math.max(current?.number ?? 0, onDisk) + 1;
    const head = current?.head ?? null;
    return { write: { number, head }, result: { number, head: head ?? undefined } };
  });
}

function numberOf(name: string): number {
  const match = /^(\d+)\.(?!root\.)[a-z0-9-]+\.json$/.exec(name);
  return match ? Number(match[1]) : 0;
}

export function describeFile(version: number, expiresAt: number, bytes: Buffer): SignedFile {
  return { version, bytes: bytes.byteLength, sha256: sha256Hex(bytes), expiresAt };
}

/** Writes a role's file: what was signed elsewhere, or what is signed here. */
export async function writeRole(
  { metadataDir, onStep }: Workplace,
  role: string,
  file: { readonly version: number; readonly expiresAt: number; readonly bytes: Buffer; readonly digest: string },
): Promise<SignedRole> {
  await writeWhole(join(metadataDir, `${file.version}.${role}.json`), file.bytes);
  onStep?.('role-written');
  return { ...describeFile(file.version, file.expiresAt, file.bytes), digest: file.digest };
}

export function signRole(version: number, expiresAt: number, body: Json, keys: readonly TufKey[]): Buffer {
  return sign(signedPart('targets', version, expiresAt, body), keys);
}

export interface NextHead {
  readonly before: RepositoryHead | undefined;
  readonly roles: Readonly<Record<string, SignedRole>>;
  /** Whether the snapshot has to be signed anew. */
  readonly snapshot: boolean;
  readonly keysDigest: string;
  readonly offline?: OfflineTrust | undefined;
  readonly withdrawn?: readonly string[] | undefined;
  readonly number: number;
  readonly now: number;
}

/** Snapshot and timestamp over the roles: the head that is still to be committed. */
export async function signHead(place: Workplace, authority: Authority, next: NextHead): Promise<RepositoryHead> {
  const { lifetimes } = place;
  const { number, now, keysDigest, offline, withdrawn } = next;
  const snapshot = await writeSnapshot(place, authority, next);
  const expiresAt = now + lifetimes.timestampMs;
  const part = signedPart('timestamp', number, expiresAt, timestampBody(snapshot));
  const text = sign(part, authority.timestampKeys).toString('utf8');
  const head = { roles: next.roles, snapshot, keysDigest, timestamp: { version: number, expiresAt, text } };
  return { ...head, ...(offline && { offline }), ...(withdrawn?.length && { withdrawn }) };
}

async function writeSnapshot(place: Workplace, authority: Authority, next: NextHead): Promise<SignedFile> {
  if (!next.snapshot && next.before) return next.before.snapshot;
  const { number, now, roles, withdrawn } = next;
  const expiresAt = now + place.lifetimes.snapshotMs;
  const part = signedPart('snapshot', number, expiresAt, snapshotBody(roles, withdrawn));
  const bytes = sign(part, authority.snapshotKeys);
  await writeWhole(join(place.metadataDir, `${number}.snapshot.json`), bytes);
  place.onStep?.('snapshot-written');
  return describeFile(number, expiresAt, bytes);
}

/** The publication. Refused when another pass has published since this one began. */
export async function commit(place: Workplace, from: RepositoryHead | undefined, to: RepositoryHead): Promise<boolean> {
  const done = await place.documents.change<boolean | undefined>(DOCUMENT, (current) => {
    if ((current?.head?.timestamp.version ?? 0) !== (from?.timestamp.version ?? 0)) return { keep: false };
    return { write: { number: Math.max(current?.number ?? 0, to.timestamp.version), head: to }, result: true };
  });
  if (!done) return false;
  place.onStep?.('published');
  await removeUnreferenced(place, to);
  return true;
}

async function removeUnreferenced({ metadataDir }: Workplace, head: RepositoryHead): Promise<void> {
  const referenced = new Set([
    `${head.snapshot.version}.snapshot.json`,
    ...Object.entries(head.roles).map(([role, { version }]) => `${version}.${role}.json`),
  ]);
  for (const name of await readdir(metadataDir)) {
    const isOurs = numberOf(name) > 0 || name.endsWith('.tmp');
    if (!isOurs || referenced.has(name)) continue;
    const path = join(metadataDir, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity })); // Another process has removed it.
    if (mtimeMs < Date.now() - KEEP_UNREFERENCED_MS) await rm(path, { force: true });
  }
}
