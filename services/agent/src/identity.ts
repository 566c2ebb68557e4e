import { randomId, SECOND_MS } from '@lastcall/kernel';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writeFileDurably } from './files.js';

/*
 * Who this host is: an Ed25519 key that never leaves the data folder, and the short-lived credentials that it signs for itself.
 * Signed by hand because a compact EdDSA token is three lines; what verifies it has the library.
 */

export interface Identity {
  /** Raw, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** Reads the key, or makes it (PKCS8, mode 0600). */
export function ensureIdentity(file: string): Identity {
  if (!existsSync(file)) {
    writeFileDurably(file, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }), 0o600);
  }
  return readIdentity(file);
}

export function readIdentity(file: string): Identity {
  const privateKey = createPrivateKey(readFileSync(file));
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  return { privateKey, publicKey: Buffer.from(x ?? '', 'base64url') };
}

const VALID_MS = 300 * SECOND_MS;
const RENEW_BEFORE_MS = 60 * SECOND_MS;

/** A source of credentials: the same one until a minute before it runs out. */
export function createCredential(
  { privateKey }: Identity,
  installation: string,
  host: string,
  now: () => number = Date.now,
): () => string {
  let token = '';
  let expiresAt = 0;
  return () => {
    if (now() < expiresAt - RENEW_BEFORE_MS) return token;
    const at = now();
    expiresAt = at + VALID_MS;
    const claims = {
      iss: 'lastcall',
      aud: 'lastcall',
      sub: `${installation}/${host}`,
      role: 'agent',
      inst: installation,
      jti: randomId('a'),
      iat: Math.floor(at / SECOND_MS),
      exp: Math.floor(expiresAt / SECOND_MS),
    };
    const input = `${encode({ alg: 'EdDSA', kid: 'agent', typ: 'JWT' })}.${encode(claims)}`;
    token = `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`;
    return token;
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
