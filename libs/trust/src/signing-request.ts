import {
  addSignatures,
  rootKeysOf,
  signersOf,
  whyUnreadable,
  type MetadataJson,
  type SignatureJson,
  type SignedPart,
} from './metadata.js';
import { isPublicKeyHex, keyIdOf, type KeySet, type TufKey } from './keys.js';

/*
 * What is carried to a machine with keys and back: everything that one change of the signed repository needs signatures for, as JSON.
 * The catalog prepares it, people sign it one after the other, the catalog takes it back. What it says about itself (which release, what
 * stands there now) is for people; the catalog compares every payload with what it would prepare itself.
 */

const FORMAT = 'lastcall-signing-request-1';
export const SIGNING_REQUEST_MAX_BYTES = 64 * 1024 * 1024;
const MAX_PAYLOADS = 5_000;

export interface SigningPayload {
  readonly role: string;
  readonly signed: SignedPart;
  readonly signatures: readonly SignatureJson[];
  /** What stands there now. */
  readonly before?: MetadataJson;
}

/** A release that is published as soon as it is signed. */
export interface ReleaseToPublish {
  readonly product: string;
  readonly version: string;
  readonly channel: string;
}

export interface SigningRequest {
  readonly format: typeof FORMAT;
  /** Hash of the catalog's first root: a request of another catalog is refused. */
  readonly catalog: string;
  /** `YYYY-MM-DDTHH:MM:SSZ`. */
  readonly preparedAt: string;
  readonly release?: ReleaseToPublish;
  /** The root that clients have now. */
  readonly root: MetadataJson;
  /** Who signs for products once this is accepted. */
  readonly releases: KeySet;
  /** Ids of keys with which the catalog signs a next root itself, at the hand-over. */
  readonly catalogSigns: readonly string[];
  readonly payloads: readonly SigningPayload[];
}

export function formatSigningRequest(request: Omit<SigningRequest, 'format'>): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, ...request })}\n`);
}

/** Reads one; answers in words what is wrong with it. */
export function parseSigningRequest(bytes: Uint8Array): SigningRequest | string {
  if (bytes.byteLength > SIGNING_REQUEST_MAX_BYTES) return `has more than ${SIGNING_REQUEST_MAX_BYTES} bytes`;
  const value = readJson(bytes);
  if (value?.['format'] !== FORMAT) return `is no signing request (JSON with "format": "${FORMAT}")`;
  return isRequest(value) ? (whyWrong(value) ?? value) : 'is damaged: a field is missing or of another kind';
}

type Fields = Readonly<Record<string, unknown>>;

function readJson(bytes: Uint8Array): Fields | undefined {
  try {
    return asFields(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return undefined; // The caller says that it is none.
  }
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
}

function isMetadata(value: unknown): value is MetadataJson {
  const { signed, signatures } = asFields(value) ?? {};
  const part = asFields(signed);
  if (typeof part?.['_type'] !== 'string' || typeof part['expires'] !== 'string') return false;
  if (!Number.isSafeInteger(part['version']) || !Array.isArray(signatures)) return false;
  return signatures.every(
    (s) => typeof asFields(s)?.['keyid'] === 'string' && typeof asFields(s)?.['sig'] === 'string',
  );
}

function isKeySet(value: unknown): value is KeySet {
  const { keys, threshold } = asFields(value) ?? {};
  if (!Number.isSafeInteger(threshold) || (threshold as number) < 1 || !Array.isArray(keys)) return false;
  return keys.every((key) => {
    const { keytype, scheme, keyval } = asFields(key) ?? {};
    const hex = asFields(keyval)?.['public'];
    return keytype === 'ed25519' && scheme === 'ed25519' && typeof hex === 'string' && isPublicKeyHex(hex);
  });
}

function isRequest(value: Fields): value is Fields & SigningRequest {
  const { catalog, preparedAt, release, root, releases, catalogSigns, payloads } = value;
  if (!Array.isArray(catalogSigns) || !catalogSigns.every((id) => typeof id === 'string')) return false;
  if (typeof catalog !== 'string' || typeof preparedAt !== 'string' || !isMetadata(root) || !isKeySet(releases)) return false; // prettier-ignore
  if (!Array.isArray(payloads) || payloads.length === 0 || payloads.length > MAX_PAYLOADS) return false;
  const named = asFields(release ?? { product: '', version: '', channel: '' });
  if (!['product', 'version', 'channel'].every((field) => typeof named?.[field] === 'string')) return false;
  return payloads.every((payload: unknown) => {
    const { role, before } = asFields(payload) ?? {};
    return typeof role === 'string' && isMetadata(payload) && (before === undefined || isMetadata(before));
  });
}

/** What no client's library would read, or what claims to be another role than it is. */
function whyWrong({ root, payloads }: SigningRequest): string | undefined {
  for (const { role, signed, signatures } of [{ role: 'root', ...root }, ...payloads]) {
    if (signed._type !== (role === 'root' ? 'root' : 'targets')) return `says that ${role} is ${signed._type}`;
    const why = whyUnreadable({ signed, signatures });
    if (why !== undefined) return `holds metadata that no client could read: ${why}`;
  }
  return undefined;
}

/** Who has to sign a payload; for a next root the keys of the present one and its own. */
export function signersNeeded({ root, releases, payloads }: SigningRequest, role: string): readonly KeySet[] {
  const next = payloads.find((payload) => payload.role === 'root')?.signed ?? root.signed;
  if (role === 'root') return [rootKeysOf(root.signed).root, rootKeysOf(next).root];
  return role === 'targets' ? [rootKeysOf(next).targets] : [releases];
}

/** Adds a signature of each key that has a say in a payload. */
export function signRequest(request: SigningRequest, keys: readonly TufKey[]): SigningRequest {
  const payloads = request.payloads.map((payload) => {
    const wanted = new Set(signersNeeded(request, payload.role).flatMap((set) => set.keys.map((k) => k.keyval.public)));
    const those = keys.filter((key) => wanted.has(key.publicKey.keyval.public));
    return { ...payload, signatures: addSignatures(payload, those).signatures };
  });
  return { ...request, payloads };
}

/** A payload that still needs signatures. */
export interface Unsigned {
  readonly role: string;
  readonly signed: number;
  readonly needed: number;
}

/** What lacks signatures, those left out that the catalog will add itself. */
export function unsignedPayloads(request: SigningRequest): readonly Unsigned[] {
  const missing = (payload: SigningPayload, set: KeySet): Unsigned[] => {
    const have = signersOf(payload, set);
    const added =
      payload.role === 'root' ? set.keys.map(keyIdOf).filter((id) => request.catalogSigns.includes(id)) : [];
    const signed = new Set([...have, ...added]).size;
    return signed >= set.threshold ? [] : [{ role: payload.role, signed: have.length, needed: set.threshold }];
  };
  return request.payloads.flatMap((payload) => {
    return signersNeeded(request, payload.role).flatMap((set) => missing(payload, set));
  });
}
