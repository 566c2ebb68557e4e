import { Defect, randomId, SECOND_MS } from '@lastcall/kernel';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { moveDurably, writeFileDurably } from './files.js';
import type { Layout } from './layout.js';

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

/** A key that did not exist before, whatever is there. */
export function renewIdentity({ identity, nextIdentity }: Layout): void {
  rmSync(nextIdentity, { force: true });
  rmSync(identity, { force: true });
  ensureIdentity(identity);
}

/** The key of a host and the one that is to follow it. Only who has the lock of the folder asks for the next one. */
export interface KeyRing {
  readonly current: Identity;
  /** Whether somebody wants another key, one was begun with, or the current one is older than this (0: at no age). */
  isDue(maxAgeMs: number): boolean;
  /** Wants another key. */
  ask(): void;
  /** The key that is to follow; on the disk before it is answered. */
  next(): Identity;
  /** From here on that key is the current one. */
  follow(publicKey: Uint8Array): Promise<void>;
}

export function openKeyRing({ identity, nextIdentity, keyAsked }: Layout): KeyRing {
  let current = readIdentity(identity);
  return {
    get current() {
      return current;
    },
    isDue: (maxAgeMs) => {
      if (existsSync(nextIdentity) || existsSync(keyAsked)) return true;
      return maxAgeMs > 0 && Date.now() - statSync(identity).mtimeMs > maxAgeMs;
    },
    ask: () => writeFileDurably(keyAsked, ''),
    next: () => ensureIdentity(nextIdentity),
    follow: async (publicKey) => {
      const next = readIdentity(nextIdentity);
      // Else the services would not know what is current here, and nobody could let the host in again.
      if (!Buffer.from(next.publicKey).equals(publicKey))
        throw new Defect('the key that follows was changed meanwhile');
      rmSync(keyAsked, { force: true });
      await moveDurably(nextIdentity, identity);
      current = next;
    },
  };
}

const VALID_MS = 300 * SECOND_MS;
const RENEW_BEFORE_MS = 60 * SECOND_MS;

/** A source of credentials: the same one until a minute before it runs out, or until another key is current. */
export function createCredential(
  keys: Pick<KeyRing, 'current'>,
  installation: string,
  host: string,
  now: () => number = Date.now,
): () => string {
  let token = '';
  let expiresAt = 0;
  let signedWith: Identity | undefined;
  return () => {
    const { current } = keys;
    if (current === signedWith && now() < expiresAt - RENEW_BEFORE_MS) return token;
    signedWith = current;
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
    token = `${input}.${sign(null, Buffer.from(input), current.privateKey).toString('base64url')}`;
    return token;
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
