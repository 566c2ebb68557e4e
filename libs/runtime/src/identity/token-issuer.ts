import type { RoleName } from '@lastcall/contracts';
import { Fault, randomId } from '@lastcall/kernel';
import { calculateJwkThumbprint, decodeJwt, exportJWK, SignJWT, type JWK } from 'jose';
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/*
 * Credentials: JWTs signed with Ed25519. Who holds the signing key can make them, everybody with keys.json can check them. What
 * was issued is described by its record; the credential itself is never stored here.
 */

export const ISSUER = 'lastcall';
export const AUDIENCE = 'lastcall';
export const SIGNING_ALGORITHM = 'EdDSA';

/** What a credential says; the same as its record in the catalog. */
export interface IssuedToken {
  /** `jti`. */
  readonly id: string;
  readonly subject: string;
  readonly role: RoleName;
  readonly installation?: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export interface TokenRequest {
  readonly subject: string;
  readonly role: RoleName;
  /** Absent: not bound to one. */
  readonly installation?: string | undefined;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Absent: a random one. */
  readonly id?: string | undefined;
}

export interface TokenIssuer {
  issue(request: TokenRequest): Promise<{ credential: string; token: IssuedToken }>;
}

/** Reads the Ed25519 key (PKCS #8, PEM) and issues with it. Throws a Fault when there is none. */
export async function createTokenIssuer(signingKeyFile: string): Promise<TokenIssuer> {
  const pem = await readFile(signingKeyFile, 'utf8').catch((cause: unknown) => {
    throw new Fault(`the signing key ${signingKeyFile} cannot be read`, { cause });
  });
  return tokenIssuerOf(parseSigningKey(pem, signingKeyFile));
}

export async function tokenIssuerOf(key: KeyObject): Promise<TokenIssuer> {
  const { kid } = await publicJwk(key);
  return {
    issue: async (request) => {
      const token = toRecord(request);
      return { credential: await sign(key, kid, token), token };
    },
  };
}

/** `which` says in the Fault which one is none. */
export function parseSigningKey(pem: string, which: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new Fault(`the signing key ${which} cannot be read`, { cause });
  }
}

/** Public half of the key as it stands in keys.json, named by its thumbprint. */
export async function publicJwk(key: KeyObject): Promise<JWK & { kid: string }> {
  const jwk = await exportJWK(createPublicKey(key));
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: SIGNING_ALGORITHM, use: 'sig' };
}

/** A JWT counts in seconds; the record must say the same. */
const toSecond = (at: number): number => Math.floor(at / 1000) * 1000;

function toRecord(request: TokenRequest): IssuedToken {
  return {
    id: request.id ?? randomId('tok'),
    subject: request.subject,
    role: request.role,
    ...(request.installation ? { installation: request.installation } : {}),
    issuedAt: toSecond(request.issuedAt),
    expiresAt: toSecond(request.expiresAt),
  };
}

function sign(key: KeyObject, kid: string, token: IssuedToken): Promise<string> {
  const claims = { role: token.role, ...(token.installation === undefined ? {} : { inst: token.installation }) };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: SIGNING_ALGORITHM, kid, typ: 'JWT' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(token.subject)
    .setJti(token.id)
    .setIssuedAt(token.issuedAt / 1000)
    .setExpirationTime(token.expiresAt / 1000)
    .sign(key);
}

/** Record of a credential that we hold ourselves (a `*.token` file). Nothing is verified; undefined when it is none. */
export function describeCredential(credential: string): IssuedToken | undefined {
  try {
    const { jti, sub, role, inst, iat, exp } = decodeJwt<{ role?: RoleName; inst?: string }>(credential.trim());
    if (!jti || !sub || !role || iat === undefined || exp === undefined) return undefined;
    return {
      id: jti,
      subject: sub,
      role,
      ...(inst ? { installation: inst } : {}),
      issuedAt: iat * 1000,
      expiresAt: exp * 1000,
    };
  } catch {
    return undefined; // No JWT: a file that somebody put there; the caller passes over it.
  }
}
