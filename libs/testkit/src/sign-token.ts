import { randomId } from '@lastcall/kernel';
import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Credentials for tests, good and bad ones: claims and header can be anything. Signed here and at once, so that a test has a client
 * in one line.
 */

export interface TokenClaims {
  readonly sub: string;
  readonly role: string;
  readonly inst?: string | undefined;
  readonly [claim: string]: unknown;
}

const HOUR_S = 3_600;

/** A JWT (EdDSA). Issuer, audience, id and times are right unless the claims say otherwise. */
export function signToken(key: KeyObject, kid: string, claims: TokenClaims, header: object = {}): string {
  const iat = Math.floor(Date.now() / 1000);
  const defaults = { iss: 'lastcall', aud: 'lastcall', jti: randomId('tok'), iat, exp: iat + HOUR_S };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'EdDSA', kid, ...header })}.${part({ ...defaults, ...claims })}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}

/** Signs with the keys that `ensureIdentity` made. */
export function signerOf(identityDir: string): (claims: TokenClaims) => string {
  const key = createPrivateKey(readFileSync(join(identityDir, 'signing-key.pem')));
  const { keys } = JSON.parse(readFileSync(join(identityDir, 'keys.json'), 'utf8')) as { keys: { kid: string }[] };
  const kid = keys[0]?.kid ?? '';
  return (claims) => signToken(key, kid, claims);
}

/** What an agent signs for itself: 5 minutes, kid `agent`. */
export function signAgentToken(key: KeyObject, installation: string, host: string): string {
  const iat = Math.floor(Date.now() / 1000);
  return signToken(key, 'agent', { sub: `${installation}/${host}`, role: 'agent', inst: installation, exp: iat + 300 });
}
