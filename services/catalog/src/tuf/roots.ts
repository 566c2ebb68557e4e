import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DAY_MS, Defect } from '@lastcall/kernel';
import {
  isSigned,
  keyIdOf,
  rootBody,
  rootKeysOf,
  sign,
  signedPart,
  type MetadataJson,
  type TufKey,
} from '@lastcall/trust';
import { readIfThere, writeOnce } from '../files.js';
import { rootKeysFor, type RoleKeys, type TufPolicy } from './keys.js';

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

export function parseMetadata(bytes: Buffer | string): MetadataJson {
  return JSON.parse(bytes.toString()) as MetadataJson;
}

export function rootPath(dir: string, version: number): string {
  return join(dir, `${version}.root.json`);
}

async function newestRoot(dir: string): Promise<Buffer | undefined> {
  const versions = (await readdir(dir))
    .map((name) => /^(\d+)\.root\.json$/.exec(name)?.[1])
    .filter((version) => version !== undefined)
    .map(Number);
  return versions.length === 0 ? undefined : readIfThere(rootPath(dir, Math.max(...versions)));
}

/** Keys that must sign the next root: the new ones, and those of the old one that we hold. */
function signersFor(previous: MetadataJson | undefined, keys: RoleKeys): readonly TufKey[] {
  const old = previous ? rootKeysOf(previous.signed).root.keys.map(keyIdOf) : [];
  const all = Object.values(keys)
    .flat()
    .filter((key) => old.includes(key.id));
  return [...new Map([...keys.root, ...all].map((key) => [key.id, key])).values()];
}

function toCurrentRoot(bytes: Buffer): CurrentRoot {
  const { version, expires } = parseMetadata(bytes).signed;
  return { version, bytes, renewAt: Date.parse(expires) - ROOT_LIFETIME_MS / 2 };
}

/** The newest root; a next one is made when the keys are others or half of its life is over. */
export async function ensureRoot(dir: string, keys: RoleKeys, policy: TufPolicy, now: number): Promise<CurrentRoot> {
  const body = rootBody(rootKeysFor(keys, policy));
  for (;;) {
    const bytes = await newestRoot(dir);
    const root = bytes && parseMetadata(bytes);
    if (root) {
      const current = toCurrentRoot(bytes);
      const { keys: known, roles, consistent_snapshot } = root.signed;
      const isSame = isDeepStrictEqual({ keys: known, roles, consistent_snapshot }, body);
      if (isSame && now < current.renewAt) return current;
    }
    await writeNext(dir, root, keys, policy, now);
  }
}

async function writeNext(
  dir: string,
  previous: MetadataJson | undefined,
  keys: RoleKeys,
  policy: TufPolicy,
  now: number,
): Promise<void> {
  const sets = rootKeysFor(keys, policy);
  const version = (previous?.signed.version ?? 0) + 1;
  const bytes = sign(signedPart('root', version, now + ROOT_LIFETIME_MS, rootBody(sets)), signersFor(previous, keys));
  const next = parseMetadata(bytes);
  const accepting = [sets.root, ...(previous ? [rootKeysOf(previous.signed).root] : [])];
  if (!accepting.every((set) => isSigned(next, set))) {
    throw new Defect(
      `root ${version} of the signed repository would lack signatures; are all root-*.pem of the keys' folder there? ` +
        'If the keys were handed over, restore the store and the data folder from the same backup.',
    );
  }
  await writeOnce(rootPath(dir, version), bytes);
}
