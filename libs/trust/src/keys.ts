import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import { sha256Hex } from '@lastcall/kernel';

/*
 * Ed25519 keys as metadata of The Update Framework shows them. Owns how a key gets its id and how bytes are signed and checked.
 */

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

/** Who may sign for a role, and how many of them must. */
export interface KeySet {
  readonly keys: readonly PublicKeyJson[];
  readonly threshold: number;
}

const RAW_BYTES = 32;
/** What DER puts before the 32 bytes of an Ed25519 public key (RFC 8410). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

export function keyIdOf(key: PublicKeyJson): string {
  return sha256Hex(canonicalize(key));
}

export function publicKeyFromHex(hex: string): PublicKeyJson {
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } };
}

export function isPublicKeyHex(hex: string): boolean {
  return new RegExp(`^[0-9a-f]{${2 * RAW_BYTES}}$`).test(hex);
}

function toTufKey(privateKey: KeyObject): TufKey {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  const publicKey = publicKeyFromHex(Buffer.from(x ?? '', 'base64url').toString('hex'));
  return { id: keyIdOf(publicKey), publicKey, sign: (bytes) => sign(null, bytes, privateKey).toString('hex') };
}

/** PKCS#8, PEM. */
export function newPrivateKeyPem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
}

export function keyFromPem(pem: string | Buffer): TufKey {
  return toTufKey(createPrivateKey(pem));
}

export function isSignedBy(key: PublicKeyJson, bytes: Uint8Array, signatureHex: string): boolean {
  const { public: hex } = key.keyval;
  if (!isPublicKeyHex(hex) || !/^[0-9a-f]{128}$/.test(signatureHex)) return false;
  const spki = createPublicKey({
    key: Buffer.concat([SPKI_HEAD, Buffer.from(hex, 'hex')]),
    format: 'der',
    type: 'spki',
  });
  return verify(null, bytes, spki, Buffer.from(signatureHex, 'hex'));
}
