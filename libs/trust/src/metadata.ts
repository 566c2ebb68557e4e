import { canonicalize } from '@tufjs/canonical-json';
import { WITHDRAWN_FIELD } from '@lastcall/kernel';
import { Metadata, MetadataKind } from '@tufjs/models';
import { isSignedBy, keyIdOf, type KeySet, type PublicKeyJson, type TufKey } from './keys.js';

/*
 * Metadata of The Update Framework (specification 1.0): what each role says, and its bytes. Read through the models once, so that what is
 * signed is what a client parses. Times are whole seconds in UTC: a client that cannot read `expires` never sees it expire.
 */

const SPEC_VERSION = '1.0.31';

export type Json = Record<string, unknown>;
export type MetadataType = 'root' | 'targets' | 'snapshot' | 'timestamp';

/** What is signed, whatever else it says. */
export interface SignedPart extends Json {
  readonly _type: MetadataType;
  readonly version: number;
  /** `YYYY-MM-DDTHH:MM:SSZ`. */
  readonly expires: string;
}

export interface SignatureJson {
  readonly keyid: string;
  readonly sig: string;
}

/** A metadata file as JSON. */
export interface MetadataJson {
  readonly signed: SignedPart;
  readonly signatures: readonly SignatureJson[];
}

/** A target as the targets metadata lists it. */
export interface Target {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Version, length and hash of a file, as the metadata above it names them. */
export interface FileFacts {
  readonly version: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** Who signs the four roles that every client knows by name. */
export interface RootKeys {
  readonly root: KeySet;
  readonly targets: KeySet;
  readonly snapshot: KeySet;
  readonly timestamp: KeySet;
}

export interface Delegation {
  readonly role: string;
  /** Patterns of paths; a client asks this role, and no other of its delegator, for what they match. */
  readonly paths: readonly string[];
}

const KINDS = {
  root: (data: Json) => Metadata.fromJSON(MetadataKind.Root, data as never),
  targets: (data: Json) => Metadata.fromJSON(MetadataKind.Targets, data as never),
  snapshot: (data: Json) => Metadata.fromJSON(MetadataKind.Snapshot, data as never),
  timestamp: (data: Json) => Metadata.fromJSON(MetadataKind.Timestamp, data as never),
} as const;

export function instant(at: number): string {
  return new Date(at).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** The part that will be signed. Throws when the models would not read it. */
export function signedPart(type: MetadataType, version: number, expiresAt: number, body: Json): SignedPart {
  const signed = { _type: type, spec_version: SPEC_VERSION, version, expires: instant(expiresAt), ...body };
  // The models take a time that grows with the square of the entries: a third of a second for 1,100 roles.
  if (type === 'snapshot') return signed;
  return KINDS[type]({ signed, signatures: [] }).signed.toJSON() as unknown as SignedPart;
}

/** Whether a client's library can read it; says why not. */
export function whyUnreadable(metadata: MetadataJson): string | undefined {
  try {
    KINDS[metadata.signed._type](metadata as unknown as Json);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What a signature is made over. */
export function bytesToSign(signed: Json): Buffer {
  return Buffer.from(canonicalize(signed));
}

export function sign(signed: SignedPart, keys: readonly TufKey[]): Buffer {
  return formatMetadata(addSignatures({ signed, signatures: [] }, keys));
}

/** Each key signs once; what others have signed stays. */
export function addSignatures({ signed, signatures }: MetadataJson, keys: readonly TufKey[]): MetadataJson {
  const bytes = bytesToSign(signed);
  const all = new Map(signatures.map((signature) => [signature.keyid, signature]));
  for (const key of keys) all.set(key.id, { keyid: key.id, sig: key.sign(bytes) });
  return { signed, signatures: [...all.values()] };
}

export function formatMetadata({ signed, signatures }: MetadataJson): Buffer {
  return Buffer.from(JSON.stringify({ signatures, signed }));
}

/** Ids of the keys of the set that have signed; each counts once. */
export function signersOf({ signed, signatures }: MetadataJson, { keys }: KeySet): readonly string[] {
  const bytes = bytesToSign(signed);
  return keys.filter((key) => hasSigned(key, bytes, signatures)).map(keyIdOf);
}

function hasSigned(key: PublicKeyJson, bytes: Uint8Array, signatures: readonly SignatureJson[]): boolean {
  const id = keyIdOf(key);
  return signatures.some(({ keyid, sig }) => keyid === id && isSignedBy(key, bytes, sig));
}

export function isSigned(metadata: MetadataJson, by: KeySet): boolean {
  return signersOf(metadata, by).length >= by.threshold;
}

function keyMap(keys: readonly PublicKeyJson[]): Json {
  return Object.fromEntries(keys.map((key) => [keyIdOf(key), key]));
}

/** What root says: who may sign what; a next root is needed when it changes. */
export function rootBody(sets: RootKeys): Json {
  const names = ['root', 'targets', 'snapshot', 'timestamp'] as const;
  const roles = names.map((name) => [name, { keyids: sets[name].keys.map(keyIdOf), threshold: sets[name].threshold }]);
  const keys = keyMap(names.flatMap((name) => sets[name].keys));
  return { keys, roles: Object.fromEntries(roles) as Json, consistent_snapshot: true };
}

interface RootSigned {
  readonly keys: Readonly<Record<string, PublicKeyJson>>;
  readonly roles: Readonly<Record<keyof RootKeys, { readonly keyids: readonly string[]; readonly threshold: number }>>;
}

/** The other way round. */
export function rootKeysOf(root: SignedPart): RootKeys {
  const { keys, roles } = root as unknown as RootSigned;
  const set = (name: keyof RootKeys): KeySet => ({
    keys: roles[name].keyids.flatMap((id) => keys[id] ?? []),
    threshold: roles[name].threshold,
  });
  return { root: set('root'), targets: set('targets'), snapshot: set('snapshot'), timestamp: set('timestamp') };
}

/** What a role says that hands on to others. One delegator a name, and the first that matches has the last word. */
export function delegationsBody(delegations: readonly Delegation[], { keys, threshold }: KeySet): Json {
  const keyids = keys.map(keyIdOf);
  const roles = delegations.map(({ role, paths }) => ({ keyids, threshold, name: role, terminating: true, paths }));
  return { targets: {}, delegations: { keys: keyMap(keys), roles } };
}

/** What a role with targets says. */
export function targetsBody(targets: readonly Target[]): Json {
  const entries = targets.map(({ path, bytes, sha256 }) => [path, { length: bytes, hashes: { sha256 } }]);
  return { targets: Object.fromEntries(entries) as Json };
}

/** Targets that metadata lists, by path. */
export function targetsOf(signed: SignedPart): ReadonlyMap<string, Target> {
  const { targets = {} } = signed as unknown as {
    targets?: Readonly<Record<string, { length: number; hashes: { sha256: string } }>>;
  };
  return new Map(
    Object.entries(targets).map(([path, { length, hashes }]) => [path, { path, bytes: length, sha256: hashes.sha256 }]),
  );
}

/** Who may sign the roles that this one delegates to; undefined when it delegates to none. */
export function delegatedKeys(signed: SignedPart): KeySet | undefined {
  const { delegations } = signed as unknown as {
    delegations?: { keys: Record<string, PublicKeyJson>; roles?: { keyids: string[]; threshold: number }[] };
  };
  const [role] = delegations?.roles ?? [];
  if (!delegations || !role) return undefined;
  return { keys: role.keyids.flatMap((id) => delegations.keys[id] ?? []), threshold: role.threshold };
}

/**
 * Version and length. No hash: each number names one file for good, the roles' own keys sign what it says, and a hash would be half of
 * what clients fetch when there are many roles. `withdrawn`: see `WITHDRAWN_FIELD`.
 */
export function snapshotBody(roles: Readonly<Record<string, FileFacts>>, withdrawn: readonly string[] = []): Json {
  const entries = Object.entries(roles).map(([role, { version, bytes }]) => [
    `${role}.json`,
    { version, length: bytes },
  ]);
  const meta = Object.fromEntries(entries) as Json;
  return withdrawn.length > 0 ? { meta, [WITHDRAWN_FIELD]: withdrawn } : { meta };
}

/** Length and hash beside the version: a mirror cannot mix snapshots. */
export function timestampBody({ version, bytes, sha256 }: FileFacts): Json {
  return { meta: { 'snapshot.json': { version, length: bytes, hashes: { sha256 } } } };
}
