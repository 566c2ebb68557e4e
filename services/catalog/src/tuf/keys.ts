import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { keyFromPem, newPrivateKeyPem, type KeySet, type RootKeys, type TufKey } from '@lastcall/trust';
import { readIfThere, writeOnce } from '../files.js';

/*
 * Keys of the signed repository: Ed25519, one file each (`root-1.pem`, 0600), made when they are missing. Several processes on one
 * folder agree: the first to write a key wins. How many keys a role has, and how many must sign, is the policy; raising it
 * and starting again makes the missing keys and a next root that the old keys have signed too.
 */

/** Roles that have keys of their own. `releases` signs the targets of products, by delegation from `targets`. */
export type KeyRole = 'root' | 'targets' | 'releases' | 'snapshot' | 'timestamp';

export interface KeyPolicy {
  readonly keys: number;
  /** Signatures that are needed; at most `keys`. */
  readonly threshold: number;
}
export type TufPolicy = Readonly<Record<KeyRole, KeyPolicy>>;

const ONE: KeyPolicy = { keys: 1, threshold: 1 };
export const DEFAULT_POLICY: TufPolicy = { root: ONE, targets: ONE, releases: ONE, snapshot: ONE, timestamp: ONE };

export type RoleKeys = Readonly<Record<KeyRole, readonly TufKey[]>>;

async function loadKey(path: string): Promise<TufKey> {
  return keyFromPem(await writeOnce(path, Buffer.from(newPrivateKeyPem()), 0o600));
}

/** All keys that the policy names, made where they are missing. */
export async function loadKeys(dir: string, policy: TufPolicy): Promise<RoleKeys> {
  const load = (role: KeyRole): Promise<TufKey[]> =>
    Promise.all(Array.from({ length: policy[role].keys }, (_, i) => loadKey(join(dir, `${role}-${i + 1}.pem`))));
  return {
    root: await load('root'),
    targets: await load('targets'),
    releases: await load('releases'),
    snapshot: await load('snapshot'),
    timestamp: await load('timestamp'),
  };
}

/** The public side of keys and policy. */
export function keySetOf(keys: RoleKeys, policy: TufPolicy, role: KeyRole): KeySet {
  return { keys: keys[role].map((key) => key.publicKey), threshold: policy[role].threshold };
}

export function rootKeysFor(keys: RoleKeys, policy: TufPolicy): RootKeys {
  return {
    root: keySetOf(keys, policy, 'root'),
    targets: keySetOf(keys, policy, 'targets'),
    snapshot: keySetOf(keys, policy, 'snapshot'),
    timestamp: keySetOf(keys, policy, 'timestamp'),
  };
}

type OnlineRole = 'snapshot' | 'timestamp';

async function numbersOf(dir: string, role: KeyRole): Promise<number[]> {
  const match = (name: string): string | undefined => new RegExp(`^${role}-(\\d+)\\.pem$`).exec(name)?.[1];
  return (await readdir(dir)).map(match).filter((number) => number !== undefined).map(Number); // prettier-ignore
}

/** Keys of a role that are in the folder; makes none. */
export async function heldKeys(dir: string, role: OnlineRole): Promise<readonly TufKey[]> {
  const pems = await Promise.all((await numbersOf(dir, role)).map((n) => readIfThere(join(dir, `${role}-${n}.pem`))));
  return pems.flatMap((pem) => (pem ? [keyFromPem(pem)] : []));
}

/** One more key of a role that stays on the catalog. */
export async function addKey(dir: string, role: OnlineRole): Promise<TufKey> {
  const next = Math.max(0, ...(await numbersOf(dir, role))) + 1;
  return loadKey(join(dir, `${role}-${next}.pem`));
}

/** Removes the private keys that clients trust no more once others sign in their place. */
export async function forgetKeys(dir: string): Promise<void> {
  for (const role of ['root', 'targets', 'releases'] as const) {
    for (const number of await numbersOf(dir, role)) await rm(join(dir, `${role}-${number}.pem`), { force: true });
  }
}
