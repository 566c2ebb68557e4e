import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Metadata, MetadataKind, type Root } from '@tufjs/models';
import { DAY_MS, Defect } from '@lastcall/kernel';
import { readIfThere, writeOnce } from '../files.js';
import type { RoleKeys, TufKey, TufPolicy } from './keys.js';
import { signRoot, trustOf } from './metadata.js';

/*
 * The chain of roots, `{n}.root.json`. Each next one is signed by the keys of the one before and by its own, so that a client that
 * pinned any of them follows to the newest. A root that was written is never changed: several processes on one
 * folder agree on the first that was there.
 */

const ROOT_LIFETIME_MS = 365 * DAY_MS;

export interface CurrentRoot {
  readonly version: number;
  readonly bytes: Buffer;
  readonly renewAt: number;
}

function parseRoot(bytes: Buffer): Metadata<Root> {
  return Metadata.fromJSON(MetadataKind.Root, JSON.parse(bytes.toString('utf8')) as never);
}

async function newestRoot(dir: string): Promise<Metadata<Root> | undefined> {
  const versions = (await readdir(dir))
    .map((name) => /^(\d+)\.root\.json$/.exec(name)?.[1])
    .filter((version) => version !== undefined)
    .map(Number);
  if (versions.length === 0) return undefined;
  const bytes = await readIfThere(rootPath(dir, Math.max(...versions)));
  return bytes && parseRoot(bytes);
}

function rootPath(dir: string, version: number): string {
  return join(dir, `${version}.root.json`);
}

/** Keys that must sign the next root: the new ones, and those of the old one that we hold. */
function signersOf(previous: Metadata<Root> | undefined, keys: RoleKeys): readonly TufKey[] {
  const old = previous?.signed.roles['root']?.keyIDs ?? [];
  const all = [...keys.root, ...Object.values(keys).flat()].filter((key) => old.includes(key.id));
  return [...new Map([...keys.root, ...all].map((key) => [key.id, key])).values()];
}

function toCurrent(root: Metadata<Root>, bytes: Buffer): CurrentRoot {
  const renewAt = Date.parse(root.signed.expires) - ROOT_LIFETIME_MS / 2;
  return { version: root.signed.version, bytes, renewAt };
}

/** The newest root; a next one is made when the keys are others or half of its life is over. */
export async function ensureRoot(dir: string, keys: RoleKeys, policy: TufPolicy, now: number): Promise<CurrentRoot> {
  const trust = trustOf(keys, policy);
  for (;;) {
    const root = await newestRoot(dir);
    const bytes = root && (await readIfThere(rootPath(dir, root.signed.version)));
    if (root && bytes) {
      const { keys: known, roles, consistent_snapshot } = root.signed.toJSON();
      const current = toCurrent(root, bytes);
      if (isDeepStrictEqual({ keys: known, roles, consistent_snapshot }, trust) && now < current.renewAt)
        return current;
    }
    await writeNext(dir, root, keys, trust, now);
  }
}

async function writeNext(
  dir: string,
  previous: Metadata<Root> | undefined,
  keys: RoleKeys,
  trust: Record<string, unknown>,
  now: number,
): Promise<void> {
  const version = (previous?.signed.version ?? 0) + 1;
  const bytes = signRoot(version, now + ROOT_LIFETIME_MS, trust, signersOf(previous, keys));
  const next = parseRoot(bytes);
  try {
    previous?.verifyDelegate(MetadataKind.Root, next);
    next.verifyDelegate(MetadataKind.Root, next);
  } catch (cause) {
    const message = `root ${version} of the signed repository would lack signatures; are all root-*.pem of the keys' folder there?`;
    throw new Defect(message, { cause });
  }
  await writeOnce(rootPath(dir, version), bytes);
}
