import { Metadata, MetadataKind, Signature } from '@tufjs/models';
import { sha256Hex } from '@lastcall/kernel';
import type { SignedFile } from '../domain/repository.js';
import type { RoleKeys, TufKey, TufPolicy } from './keys.js';

/*
 * Metadata of The Update Framework (specification 1.0) as bytes. Built as JSON and read through the models once, so that what is
 * signed is what a client parses. Times are whole seconds in UTC: a client that cannot read `expires` never sees it expire.
 */

const SPEC_VERSION = '1.0.31';

/** A target as the targets metadata lists it. */
export interface Target {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly custom: Readonly<Record<string, string>>;
}

type Json = Record<string, unknown>;
type Kind = 'root' | 'targets' | 'snapshot' | 'timestamp';

function header(kind: Kind, version: number, expiresAt: number): Json {
  const expires = new Date(expiresAt).toISOString().replace(/\.\d{3}Z$/, 'Z');
  return { _type: kind, spec_version: SPEC_VERSION, version, expires };
}

const KINDS = {
  root: (data: Json) => Metadata.fromJSON(MetadataKind.Root, data as never),
  targets: (data: Json) => Metadata.fromJSON(MetadataKind.Targets, data as never),
  snapshot: (data: Json) => Metadata.fromJSON(MetadataKind.Snapshot, data as never),
  timestamp: (data: Json) => Metadata.fromJSON(MetadataKind.Timestamp, data as never),
} as const;

function signed(kind: Kind, body: Json, keys: readonly TufKey[]): Buffer {
  const metadata = KINDS[kind]({ signed: body, signatures: [] });
  for (const key of keys) {
    metadata.sign((bytes) => new Signature({ keyID: key.id, sig: key.sign(bytes) }));
  }
  return Buffer.from(JSON.stringify(metadata.toJSON()));
}

function keyMap(keys: readonly TufKey[]): Json {
  return Object.fromEntries(keys.map((key) => [key.id, key.publicKey]));
}

/** The part of root that says who may sign what; a next root is needed when it changes. */
export function trustOf(keys: RoleKeys, policy: TufPolicy): Json {
  const roles = (['root', 'targets', 'snapshot', 'timestamp'] as const).map((role) => [
    role,
    { keyids: keys[role].map((key) => key.id), threshold: policy[role].threshold },
  ]);
  const known = [...keys.root, ...keys.targets, ...keys.snapshot, ...keys.timestamp];
  return { keys: keyMap(known), roles: Object.fromEntries(roles) as Json, consistent_snapshot: true };
}

export function signRoot(version: number, expiresAt: number, trust: Json, keys: readonly TufKey[]): Buffer {
  return signed('root', { ...header('root', version, expiresAt), ...trust }, keys);
}

/** What the top targets role says: which role speaks for which product, and with whose keys. */
export function delegationsOf(
  products: readonly { product: string; role: string }[],
  keys: RoleKeys,
  policy: TufPolicy,
): Json {
  const roles = products.map(({ product, role }) => ({
    name: role,
    keyids: keys.releases.map((key) => key.id),
    threshold: policy.releases.threshold,
    terminating: true,
    // {product}/{version}/{file}; one delegator a name.
    paths: [`${product}/*/*`],
  }));
  return { targets: {}, delegations: { keys: keyMap(keys.releases), roles } };
}

/** What a product's role says. */
export function targetsOf(targets: readonly Target[]): Json {
  const entries = targets.map(({ path, bytes, sha256, custom }) => [
    path,
    { length: bytes, hashes: { sha256 }, custom },
  ]);
  return { targets: Object.fromEntries(entries) as Json };
}

export function signTargets(version: number, expiresAt: number, body: Json, keys: readonly TufKey[]): Buffer {
  return signed('targets', { ...header('targets', version, expiresAt), ...body }, keys);
}

/** Length and hash beside the version: a mirror cannot mix files of the same version. */
function metaOf({ version, bytes, sha256 }: SignedFile): Json {
  return { version, length: bytes, hashes: { sha256 } };
}

export function signSnapshot(
  version: number,
  expiresAt: number,
  roles: Readonly<Record<string, SignedFile>>,
  keys: readonly TufKey[],
): Buffer {
  const meta = Object.fromEntries(Object.entries(roles).map(([role, file]) => [`${role}.json`, metaOf(file)]));
  return signed('snapshot', { ...header('snapshot', version, expiresAt), meta }, keys);
}

export function signTimestamp(
  version: number,
  expiresAt: number,
  snapshot: SignedFile,
  keys: readonly TufKey[],
): Buffer {
  const body = { ...header('timestamp', version, expiresAt), meta: { 'snapshot.json': metaOf(snapshot) } };
  return signed('timestamp', body, keys);
}

export function describeFile(version: number, expiresAt: number, bytes: Buffer): SignedFile {
  return { version, bytes: bytes.byteLength, sha256: sha256Hex(bytes), expiresAt };
}
