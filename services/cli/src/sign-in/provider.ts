import { Fault, reject, RejectedError } from '@lastcall/kernel';
import * as oidc from 'openid-client';
import { OperationFailed } from '../failures.js';

/*
 * The provider where people sign in, by the device flow (RFC 8628): a page and a code for any browser, on any machine. Owns what is said to the
 * provider; nobody else here speaks to it.
 */

export interface ProviderAt {
  readonly issuer: string;
  readonly clientId: string;
}

export interface DeviceSignIn {
  readonly page: string;
  readonly code: string;
  /** The page with the code in it; empty where the provider has none. */
  readonly pageWithCode: string;
  readonly validSeconds: number;
  /** Waits until the person is done. Throws when they refuse, or are too late. */
  finish(signal: AbortSignal): Promise<ProviderTokens>;
}

export interface ProviderTokens {
  readonly idToken: string;
  /** As the ID token has it; empty: it has none. */
  readonly nonce: string;
  readonly refreshToken: string;
}

const TIMEOUT_S = 10;

export async function beginDeviceSignIn(at: ProviderAt, scopes: readonly string[]): Promise<DeviceSignIn> {
  const config = await discover(at);
  const nonce = oidc.randomNonce();
  const begun = await asked(at, () =>
    oidc.initiateDeviceAuthorization(config, { scope: scopes.join(' '), nonce, prompt: 'consent' }),
  );
  return {
    page: begun.verification_uri,
    code: begun.user_code,
    pageWithCode: begun.verification_uri_complete ?? '',
    validSeconds: begun.expires_in,
    finish: async (signal) => {
      const answer = await asked(at, () => oidc.pollDeviceAuthorizationGrant(config, begun, undefined, { signal }));
      return tokensOf(answer, nonce);
    },
  };
}

/** New tokens without the person. */
export async function refreshTokens(at: ProviderAt, refreshToken: string): Promise<ProviderTokens> {
  const config = await discover(at);
  const answer = await asked(at, () => oidc.refreshTokenGrant(config, refreshToken));
  const tokens = tokensOf(answer, '');
  return { ...tokens, refreshToken: tokens.refreshToken || refreshToken };
}

/** The provider forgets the refresh token, where it offers that. */
export async function forgetRefreshToken(at: ProviderAt, refreshToken: string): Promise<void> {
  const config = await discover(at);
  if (config.serverMetadata().revocation_endpoint === undefined) return;
  await asked(at, () => oidc.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' }));
}

/** https; plain http to this machine only. */
async function discover(at: ProviderAt): Promise<oidc.Configuration> {
  const url = URL.canParse(at.issuer) ? new URL(at.issuer) : undefined;
  if (!url) throw new Fault(`the provider ${at.issuer} is no address`);
  const isHere = url.protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  return asked(at, () =>
    oidc.discovery(url, at.clientId, undefined, oidc.None(), {
      timeout: TIMEOUT_S,
      execute: isHere ? [oidc.allowInsecureRequests] : [],
    }),
  );
}

function tokensOf(
  answer: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers,
  asked: string,
): ProviderTokens {
  if (answer.id_token === undefined)
    throw new OperationFailed('the provider gave no ID token; it must allow the scope openid');
  const { nonce } = answer.claims() ?? {};
  // A provider that knows no nonce in this flow gives none back; any other one is checked against ours by who verifies the token.
  const sent = nonce === undefined ? '' : asked || String(nonce);
  return { idToken: answer.id_token, nonce: sent, refreshToken: answer.refresh_token ?? '' };
}

/** What the library throws, as what it is here. */
async function asked<T>(at: ProviderAt, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw translated(at, error);
  }
}

function translated({ issuer }: ProviderAt, cause: unknown): unknown {
  if (cause instanceof oidc.ResponseBodyError) {
    if (cause.error === 'access_denied') {
      return new RejectedError(reject('not-permitted', 'SIGN_IN_DENIED', 'The sign-in was refused in the browser.'));
    }
    if (cause.error === 'expired_token') return new OperationFailed('the code has expired before anybody used it');
    const what = cause.error_description ? `${cause.error}: ${cause.error_description}` : cause.error;
    return new OperationFailed(`the provider ${issuer} refuses (${what})`);
  }
  if (cause instanceof oidc.ClientError && cause.code === 'OAUTH_ABORT') return new OperationFailed('cancelled');
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Fault(`the provider ${issuer} does not answer as it should (${why})`, { cause });
}
