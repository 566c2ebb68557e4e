import { ROLE_NAMES, type Principal, type RoleName } from '@lastcall/contracts';
import { checkId, isRejected, MINUTE_MS, reject, sha256Hex, type Clock, type Rejected } from '@lastcall/kernel';
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { AUDIENCE, ISSUER } from '../identity/token-issuer.js';
import type { KeySource } from './key-source.js';
import { refuseService, type ShownCertificate } from './service-certificate.js';
import {
  createVerifiedCredentials,
  type VerifiedCredential,
  type VerifiedCredentials,
} from './verified-credentials.js';

/*
 * Credential → principal. Two kinds of credentials, told apart by the key id in the header: those of the catalog's key, which
 * may hold every role but `agent`, and those that an agent signed itself (kid `agent`), which hold nothing but that role for
 * that one host. Neither can pass for the other.
 */

/** Raw Ed25519 keys that are accepted of a host: none, one, or two while one follows the other. */
export type AgentKeys = (installation: string, host: string) => Promise<readonly Uint8Array[]>;

export interface Caller {
  /** The header's value, `Bearer …`. */
  readonly authorization: string | undefined;
  readonly certificate: ShownCertificate;
}

export interface Authenticator {
  authenticate(caller: Caller): Promise<Principal | Rejected>;
  /** The refusal, when a credential that was accepted has been revoked since; for calls that outlive their beginning. */
  revocationOf(token: string): Rejected | undefined;
}

export interface AuthenticatorOptions {
  readonly keys: KeySource;
  isRevoked(token: string): boolean;
  readonly agentKeys?: AgentKeys | undefined;
  /** DNS name of a service's certificate, with `{service}`; undefined: callers are not asked for certificates. */
  readonly serviceName?: string | undefined;
  readonly clock: Clock;
}

const AGENT_KID = 'agent';
/** An agent makes a new one for each connection; a stolen one is soon worthless. */
const AGENT_MAX_VALID_MS = 10 * MINUTE_MS;
const CLOCK_TOLERANCE_S = 30;
const MAX_CREDENTIAL_CHARS = 4_096;

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const verified = createVerifiedCredentials(options.clock);
  return {
    authenticate: async ({ authorization, certificate }) => {
      const credential = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
      if (credential === undefined || credential.length > MAX_CREDENTIAL_CHARS) return noCredential();
      const principal = await principalOf(options, credential, verified);
      if (isRejected(principal) || options.serviceName === undefined) return principal;
      return refuseService(principal, options.serviceName, certificate) ?? principal;
    },
    revocationOf: (token) => (options.isRevoked(token) ? revoked() : undefined),
  };
}

async function principalOf(
  options: AuthenticatorOptions,
  credential: string,
  verified: VerifiedCredentials,
): Promise<Principal | Rejected> {
  const known = verified.find(credential);
  if (known) return stillGood(options, known);
  const kid = kidOf(credential);
  if (kid === undefined) return badCredential('it is no signed token');
  return kid === AGENT_KID ? agentPrincipal(options, credential) : issuedPrincipal(options, credential, verified);
}

function kidOf(credential: string): string | undefined {
  try {
    return decodeProtectedHeader(credential).kid ?? '';
  } catch {
    return undefined; // Not even the header can be read; the caller says so.
  }
}

function stillGood(options: AuthenticatorOptions, known: VerifiedCredential): Principal | Rejected {
  if (options.clock.now() >= (known.exp + CLOCK_TOLERANCE_S) * 1000) return expired();
  return options.isRevoked(known.principal.token) ? revoked() : known.principal;
}

async function issuedPrincipal(
  options: AuthenticatorOptions,
  credential: string,
  verified: VerifiedCredentials,
): Promise<Principal | Rejected> {
  const claims = await verify(options, credential, async (header) => {
    const key = await options.keys.find(header.kid ?? '');
    if (!key) throw new errors.JWKSNoMatchingKey();
    return key;
  });
  if (isRejected(claims)) return claims;
  const role = ROLE_NAMES.find((name) => name === claims['role']);
  const installation = claims['inst'];
  if (!role || role === 'agent') return badCredential('its role is not one that is issued');
  if (installation !== undefined && !isId(installation)) return badCredential('its installation is no id');
  if (!claims.jti || !claims.sub) return badCredential('it lacks its id or its subject');
  if (options.isRevoked(claims.jti)) return revoked();
  const issuedTo = principal(claims.sub, role, installation, claims.jti);
  verified.keep(credential, { principal: issuedTo, exp: claims.exp ?? 0 });
  return issuedTo;
}

async function agentPrincipal(options: AuthenticatorOptions, credential: string): Promise<Principal | Rejected> {
  const [installation = '', host = '', ...more] = subjectOf(credential).split('/');
  const isHost = isId(installation) && isId(host) && more.length === 0;
  const keys = isHost ? await options.agentKeys?.(installation, host) : undefined;
  let refused = badCredential('the key that signed it is not known here');
  for (const key of keys ?? []) {
    const claims = await verify(options, credential, () => ed25519Key(key));
    if (!isRejected(claims)) return agentOf(claims, installation, key);
    refused = claims;
  }
  return refused;
}

function subjectOf(credential: string): string {
  try {
    return decodeJwt(credential).sub ?? '';
  } catch {
    return ''; // Of nobody; the caller says so.
  }
}

function agentOf(claims: JWTPayload, installation: string, key: Uint8Array): Principal | Rejected {
  if (claims['role'] !== 'agent') return badCredential('a host may sign for the role agent only');
  if (claims['inst'] !== undefined && claims['inst'] !== installation) return badCredential('its installations differ');
  if (((claims.exp ?? 0) - (claims.iat ?? 0)) * 1000 > AGENT_MAX_VALID_MS) {
    return badCredential('a host may sign for 10 minutes at most');
  }
  const keyFingerprint = sha256Hex(key);
  return { ...principal(String(claims.sub), 'agent', installation, ''), keyFingerprint };
}

async function verify(
  { clock }: AuthenticatorOptions,
  credential: string,
  findKey: JWTVerifyGetKey,
): Promise<JWTPayload | Rejected> {
  try {
    const { payload } = await jwtVerify(credential, findKey, {
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: ['EdDSA', 'Ed25519'],
      requiredClaims: ['sub', 'exp', 'iat'],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(clock.now()),
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) return expired();
    if (error instanceof errors.JWKSNoMatchingKey) return badCredential('the key that signed it is not known here');
    if (error instanceof errors.JWTClaimValidationFailed) return badCredential(`its claim "${error.claim}" is wrong`);
    if (error instanceof errors.JOSEError || error instanceof SyntaxError)
      return badCredential('its signature is wrong');
    throw error;
  }
}

function ed25519Key(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && checkId('id', value) === undefined;
}

function principal(subject: string, role: RoleName, installation: string | undefined, token: string): Principal {
  return { subject, role, ...(installation === undefined ? {} : { installation }), token };
}

function noCredential(): Rejected {
  const message = 'This call needs a credential: send "authorization: Bearer <token>".';
  return reject('unauthenticated', 'NO_CREDENTIAL', message);
}

function expired(): Rejected {
  return reject('unauthenticated', 'CREDENTIAL_EXPIRED', 'This credential has expired; ask for a new one.');
}

function revoked(): Rejected {
  return reject('unauthenticated', 'CREDENTIAL_REVOKED', 'This credential was revoked; ask for a new one.');
}

function badCredential(why: string): Rejected {
  return reject('unauthenticated', 'BAD_CREDENTIAL', `This credential is not accepted: ${why}.`);
}
