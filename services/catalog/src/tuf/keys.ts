import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { canonicalize } from '@tufjs/canonical-json';
import { sha256Hex } from '@lastcall/kernel';
import { writeOnce } from '../files.js';

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

/** A key as metadata shows it. */
export interface PublicKeyJson {
  readonly keytype: 'ed25519';
  readonly scheme: 'ed25519';
  readonly keyval: { readonly public: string };
}

export interface TufKey {
  /** Hash of the public key's canonical form. */
  readonly id: string;
  readonly publicKey: PublicKeyJson;
  /** Signature in hexadecimal digits. */
  sign(bytes: Uint8Array): string;
}

export type RoleKeys = Readonly<Record<KeyRole, readonly TufKey[]>>;

function toKey(privateKey: KeyObject): TufKey {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  const hex = Buffer.from(x ?? '', 'base64url').toString('hex');
  const publicKey: PublicKeyJson = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } };
  return {
    id: sha256Hex(canonicalize(publicKey)),
    publicKey,
    sign: (bytes) => sign(null, bytes, privateKey).toString('hex'),
  };
}

async function loadKey(path: string): Promise<TufKey> {
  const fresh = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
  return toKey(createPrivateKey(await writeOnce(path, Buffer.from(fresh), 0o600)));
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
