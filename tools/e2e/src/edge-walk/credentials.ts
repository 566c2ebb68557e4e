import { signToken, type Stack, type TokenClaims } from '@lastcall/testkit';
import { createHmac, createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/* Credentials that must not be accepted, each good but for one thing. */

const ADMIN: TokenClaims = { sub: 'mallory', role: 'admin' };
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** By what is wrong with them. */
export function badCredentials({ identityDir }: Pick<Stack, 'identityDir'>): Readonly<Record<string, string>> {
  const key = createPrivateKey(readFileSync(join(identityDir, 'signing-key.pem')));
  const jwks = readFileSync(join(identityDir, 'keys.json'), 'utf8');
  const kid = (JSON.parse(jwks) as { keys: { kid: string }[] }).keys[0]?.kid ?? '';
  const now = Math.floor(Date.now() / 1000);
  const other = generateKeyPairSync('ed25519').privateKey;
  const good = (claims: object, by: KeyObject = key): string => signToken(by, kid, { ...ADMIN, ...claims });
  const none = signToken(key, kid, ADMIN, { alg: 'none' }).replace(/[^.]*$/, '');
  return {
    'no credential': '',
    'no token at all': 'letmein',
    'an expired one': good({ iat: now - 7_200, exp: now - 3_600 }),
    'one without an end': good({ exp: undefined }),
    'one for later': good({ nbf: now + 3_600 }),
    'one that another key signed': good({}, other),
    'one without a signature': none,
    'one that the public key signed as a secret': hmac(kid, jwks),
    'one for another audience': good({ aud: 'another' }),
    'one from another issuer': good({ iss: 'another' }),
    'one without an id': good({ jti: undefined }),
    'one with a role that does not exist': good({ role: 'root' }),
    'one of ours with the role of hosts': good({ role: 'agent', sub: 'one/srv', inst: 'one' }),
    'one that a stranger signed as a host': signToken(other, 'agent', { sub: 'one/srv', role: 'agent', inst: 'one' }),
    'one of a host that never joined': signToken(other, 'agent', { sub: 'one/nobody', role: 'agent', inst: 'one' }),
  };
}

/** The old trick: a verifier that takes the algorithm from the header uses the public key as a shared secret. */
function hmac(kid: string, secret: string): string {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: 'lastcall', aud: 'lastcall', jti: 'tok-x', iat, exp: iat + 3_600, ...ADMIN };
  const signed = `${part({ alg: 'HS256', kid })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
