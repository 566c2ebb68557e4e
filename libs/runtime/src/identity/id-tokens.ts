import { Fault, HOUR_MS, MINUTE_MS, reject, SECOND_MS, type Clock, type Rejected } from '@lastcall/kernel';
import {
  createRemoteJWKSet,
  customFetch,
  errors,
  jwtVerify,
  type CryptoKey,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type JWTPayload,
} from 'jose';
import { fetchBounded } from './bounded-fetch.js';

/*
 * ID tokens of one OpenID provider: whether they are good, for us, and fresh. Owns the provider's discovery document and its keys, read
 * when the first token asks for them and kept for a while. Refuses every algorithm in which who verifies could sign as well.
 */

export type IdClaims = JWTPayload;

export type IdTokenVerdict =
  | { readonly kind: 'good'; readonly claims: IdClaims }
  /** `claims`: of a token that the provider has signed, and that is not for us, or is over. */
  | { readonly kind: 'bad'; readonly refusal: Rejected; readonly claims?: IdClaims };

export interface IdTokens {
  /** `nonce`: what the provider was given; empty: none, and the token must have none either. */
  verify(idToken: string, nonce: string): Promise<IdTokenVerdict>;
}

export interface IdTokensOptions {
  /** As the provider says it of itself, to the letter. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clock: Clock;
}

export const MAX_ID_TOKEN_CHARS = 32_768;
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const CLOCK_TOLERANCE_S = 60;
/** It is exchanged right after it was issued; one that was found later in a log is worth nothing. */
const MAX_AGE_S = 600;
const BOUNDS = { timeoutMs: 5 * SECOND_MS, maxBytes: 256 * 1024 };
const KEYS_KEPT_MS = 10 * MINUTE_MS;
const KEYS_ASKED_EVERY_MS = 30 * SECOND_MS;
const DISCOVERY_KEPT_MS = HOUR_MS;
/** Strangers may send tokens: a provider that is away is not asked for each of them. */
const AWAY_FOR_MS = 5 * SECOND_MS;

type FindKey = (header?: JWSHeaderParameters, token?: FlattenedJWSInput) => Promise<CryptoKey>;

export function createIdTokens(options: IdTokensOptions): IdTokens {
  const findKey = createKeyFinder(options);
  return { verify: (idToken, nonce) => verify(options, findKey, idToken, nonce) };
}

async function verify(
  { issuer, clientId, clock }: IdTokensOptions,
  findKey: FindKey,
  idToken: string,
  nonce: string,
): Promise<IdTokenVerdict> {
  try {
    const { payload, protectedHeader } = await jwtVerify(idToken, findKey, {
      issuer,
      audience: clientId,
      algorithms: ALGORITHMS,
      requiredClaims: ['sub', 'exp', 'iat'],
      clockTolerance: CLOCK_TOLERANCE_S,
      maxTokenAge: MAX_AGE_S,
      currentDate: new Date(clock.now()),
    });
    const why = wrongFor(payload, protectedHeader, clientId, nonce);
    return why === undefined ? { kind: 'good', claims: payload } : { ...bad(why), claims: payload };
  } catch (error) {
    if (error instanceof Fault) return { kind: 'bad', refusal: unreachable(issuer, error) };
    if (error instanceof errors.JWTExpired) return { ...bad('it has expired, or is too old'), claims: error.payload };
    if (error instanceof errors.JWTClaimValidationFailed) {
      return { ...bad(`its claim "${error.claim}" is wrong`), claims: error.payload };
    }
    if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
      return bad('it names no key of the provider');
    }
    if (error instanceof errors.JOSEAlgNotAllowed) return bad('its algorithm is not allowed');
    if (error instanceof errors.JOSEError || error instanceof SyntaxError || error instanceof TypeError) {
      return bad('its signature is wrong');
    }
    throw error;
  }
}

/** OpenID Connect Core 1.0, section 3.1.3.7, beyond issuer, audience and times. */
function wrongFor(claims: IdClaims, header: JWSHeaderParameters, clientId: string, nonce: string): string | undefined {
  // RFC 8725, section 3.11: access tokens and logout tokens say what they are.
  if (header.typ !== undefined && header.typ.toUpperCase() !== 'JWT') return 'it is another kind of token';
  if (Array.isArray(claims.aud) && claims.aud.length > 1 && claims['azp'] === undefined)
    return 'it lacks its claim "azp"';
  if (claims['azp'] !== undefined && claims['azp'] !== clientId) return 'it was issued to another client';
  if ((claims['nonce'] ?? '') !== nonce) return 'its claim "nonce" is not that of this sign-in';
  return undefined;
}

/** Discovery and keys of the provider. Throws a Fault where they cannot be had. */
function createKeyFinder({ issuer, clock }: IdTokensOptions): FindKey {
  let known: { readonly at: number; readonly keys: Promise<FindKey> } | undefined;
  let away: { readonly at: number; readonly fault: Fault } | undefined;

  function keys(): Promise<FindKey> {
    if (!known || clock.now() - known.at > DISCOVERY_KEPT_MS) known = { at: clock.now(), keys: discover(issuer) };
    return known.keys;
  }

  return async (header, token) => {
    if (away && clock.now() - away.at < AWAY_FOR_MS) throw away.fault;
    try {
      return await (
        await keys()
      )(header, token);
    } catch (error) {
      if (isOfToken(error)) throw error;
      const fault = error instanceof Fault ? error : new Fault('its keys cannot be read', { cause: error });
      away = { at: clock.now(), fault };
      known = undefined;
      throw fault;
    }
  };
}

function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

async function discover(issuer: string): Promise<FindKey> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetchBounded(url, BOUNDS);
  const found = (await response.json().catch((cause: unknown) => {
    throw new Fault(`${url} is no JSON`, { cause });
  })) as { issuer?: unknown; jwks_uri?: unknown } | null;
  if (found?.issuer !== issuer) throw new Fault(`${url} says that it is another issuer than LASTCALL_OIDC_ISSUER`);
  if (typeof found.jwks_uri !== 'string') throw new Fault(`${url} names no keys`);
  return createRemoteJWKSet(new URL(found.jwks_uri), {
    timeoutDuration: BOUNDS.timeoutMs,
    cooldownDuration: KEYS_ASKED_EVERY_MS,
    cacheMaxAge: KEYS_KEPT_MS,
    [customFetch]: (at, { signal }) => fetchBounded(at, { ...BOUNDS, signal }),
  });
}

function bad(why: string): { readonly kind: 'bad'; readonly refusal: Rejected } {
  const message = `This ID token is not accepted: ${why}. Sign in again with "lastcall login".`;
  return { kind: 'bad', refusal: reject('unauthenticated', 'ID_TOKEN_REFUSED', message) };
}

function unreachable(issuer: string, fault: Fault): Rejected {
  const message = `The provider ${issuer} cannot be asked (${fault.message}): nobody can sign in until it is there again.`;
  return reject('refused', 'PROVIDER_UNREACHABLE', message);
}
