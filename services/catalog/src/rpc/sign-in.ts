import type { identityV1, Principal } from '@lastcall/contracts';
import {
  checkId,
  checkText,
  derivedId,
  isRejected,
  MINUTE_MS,
  reject,
  type Clock,
  type Rejected,
} from '@lastcall/kernel';
import {
  createIdTokens,
  MAX_ID_TOKEN_CHARS,
  type AuditedCall,
  type IdClaims,
  type IdTokens,
  type RpcContext,
  type RpcHandlers,
  type TokenIssuer,
} from '@lastcall/runtime';
import { actOn } from '../decide.js';
import type { Documents } from '../documents.js';
import { grantOf, parseRules, SIGNED_IN, subjectOf, type PersonGrant, type RoleRule } from '../domain/sign-in.js';
import { recordToken, tokenMachine } from '../machines.js';
import { Wrong } from '../requests.js';
import type { CatalogSettings } from '../settings.js';
import { roleToWire, tokenToWire } from '../wire.js';
import { findInstallation } from './installations.js';

/*
 * People who sign in at an OpenID provider: their ID token for a credential of ours, once. The two methods for it are open to everybody, so
 * everything in a request is a stranger's. Each sign-in has its audit record before it counts, and each refusal has one.
 */

export interface SignIn {
  readonly tokens: IdTokens;
  readonly settings: CatalogSettings;
  readonly rules: readonly RoleRule[];
  /** Whether one more refusal may be recorded that anybody could have brought about. */
  readonly mayRecord: () => boolean;
}

export interface SignInParts {
  readonly documents: Documents;
  readonly issuer: TokenIssuer;
  readonly signIn: SignIn | undefined;
  readonly audit: (call: AuditedCall) => Promise<void>;
  readonly now: () => Promise<number>;
}

type Methods = 'getSignIn' | 'signIn' | 'signOut' | 'getCaller';
type Handlers = Pick<RpcHandlers<typeof identityV1.TokenServiceService>, Methods>;

const METHOD = '/lastcall.identity.v1.TokenService/SignIn';
const MAX_NONCE_CHARS = 200;
/** What the provider did not sign is recorded so often; the rest would only fill the disk. */
const STRANGERS_A_MINUTE = 60;

/** Undefined where no provider is set. Tokens are judged by the clock that credentials are issued by. */
export function signInOf(settings: CatalogSettings, clock: Clock): SignIn | undefined {
  const { oidcIssuer: issuer, oidcClientId: clientId } = settings;
  const rules = parseRules(settings.oidcRoles);
  if (issuer === '' || typeof rules === 'string') return undefined;
  return { tokens: createIdTokens({ issuer, clientId, clock }), settings, rules, mayRecord: atMostAMinute(clock) };
}

export function signInHandlers(parts: SignInParts): Handlers {
  const { signIn: provider } = parts;
  return {
    getSignIn: async () => {
      if (!provider) return { issuer: '', clientId: '', scopes: [] };
      const { oidcIssuer: issuer, oidcClientId: clientId, oidcScopes } = provider.settings;
      return { issuer, clientId, scopes: oidcScopes.split(' ') };
    },
    signIn: async (request) => (provider ? signIn(parts, provider, request) : (wrongRequest(request) ?? noSignIn())),
    signOut: (_, context) => signOut(parts, context),
    getCaller: async (_, { principal }) => callerOf(principal),
  };
}

async function signIn(
  parts: SignInParts,
  provider: SignIn,
  request: identityV1.SignInRequest,
): Promise<identityV1.SignInResponse | Rejected> {
  const wrong = wrongRequest(request);
  if (wrong) return refuse(parts, provider, wrong);
  const { idToken, nonce, installation } = request;
  const verdict = await provider.tokens.verify(idToken, nonce);
  if (verdict.kind === 'bad') return refuse(parts, provider, verdict.refusal, verdict.claims);
  const { claims } = verdict;
  const subject = subjectOf(claims, provider.settings.oidcSubjectClaim);
  if (isRejected(subject)) return refuse(parts, provider, subject, claims);
  const grant = grantOf(provider.rules, claims, provider.settings.oidcRolesClaim, installation);
  if (isRejected(grant)) return refuse(parts, provider, grant, claims);
  const unknown = grant.installation === '' ? undefined : await findInstallation(parts.documents, grant.installation);
  if (isRejected(unknown)) return refuse(parts, provider, unknown, claims);
  // What was signed, and nothing that could be written in another way: the second time it is the same id.
  const token = derivedId('tok', idToken.slice(0, idToken.lastIndexOf('.')));
  if (await parts.documents.tokens.get(token)) return refuse(parts, provider, used(), claims);
  return issue(parts, provider, { token, subject, grant, claims });
}

interface Granted {
  readonly token: string;
  readonly subject: string;
  readonly grant: PersonGrant;
  readonly claims: IdClaims;
}

async function issue(
  parts: SignInParts,
  provider: SignIn,
  { token, subject, grant: { role, installation, by }, claims }: Granted,
): Promise<identityV1.SignInResponse | Rejected> {
  const { oidcValidMinutes, oidcRolesClaim } = provider.settings;
  const issuedAt = await parts.now();
  const expiresAt = issuedAt + oidcValidMinutes * MINUTE_MS;
  const reason = `${role} of ${installation || 'all'}, by ${oidcRolesClaim}=${by}`;
  await parts.audit({ actor: subject, method: METHOD, resource: `tokens/${token}`, reason });
  const issued = await parts.issuer.issue({ id: token, subject, role, installation, issuedAt, expiresAt });
  const { issuedAt: createdAt, expiresAt: endsAt } = issued.token;
  const grant = { subject, role, installation, createdAt, expiresAt: endsAt };
  // Of two exchanges at the same time the record is made by one.
  if (!(await recordToken(parts.documents, token, grant))) return refuse(parts, provider, used(), claims);
  return { credential: issued.credential, token: tokenToWire(token, { state: 'issued', grant }) };
}

function wrongRequest({ idToken, nonce, installation }: identityV1.SignInRequest): Rejected | undefined {
  const wrong = new Wrong();
  wrong.add(
    checkText('id_token', idToken, { min: 1, max: MAX_ID_TOKEN_CHARS, lines: false }),
    checkText('nonce', nonce, { max: MAX_NONCE_CHARS, lines: false }),
    installation === '' ? undefined : checkId('installation', installation),
  );
  return wrong.rejected();
}

/** Answers the refusal. `claims`: the provider has signed the token. */
async function refuse(
  { audit }: SignInParts,
  { settings, mayRecord }: SignIn,
  refusal: Rejected,
  claims?: IdClaims,
): Promise<Rejected> {
  if (!claims && !mayRecord()) return refusal;
  const subject = claims && subjectOf(claims, settings.oidcSubjectClaim);
  const actor = typeof subject === 'string' ? subject : '';
  await audit({ actor, method: METHOD, resource: '', reason: `refused, ${refusal.reason}: ${refusal.message}` });
  return refusal;
}

async function signOut(
  { documents }: SignInParts,
  { principal }: RpcContext,
): Promise<identityV1.SignOutResponse | Rejected> {
  const token = principal?.token ?? '';
  if (!principal?.subject.startsWith(SIGNED_IN)) return notSignedIn();
  const outcome = await actOn(documents.tokens, tokenMachine(token)).carryOut(token, (at) => ({ type: 'revoke', at }));
  if (isRejected(outcome)) return outcome;
  return { token: outcome.state.state === 'absent' ? undefined : tokenToWire(token, outcome.state) };
}

function callerOf(principal: Principal | undefined): identityV1.GetCallerResponse {
  const { subject = '', role, installation = '' } = principal ?? {};
  return { subject, role: roleToWire(role), installation };
}

function atMostAMinute(clock: Clock): () => boolean {
  let minute = 0;
  let count = 0;
  return () => {
    const now = Math.floor(clock.now() / MINUTE_MS);
    if (now !== minute) [minute, count] = [now, 0];
    return ++count <= STRANGERS_A_MINUTE;
  };
}

function noSignIn(): Rejected {
  const message =
    'Nobody signs in here: LASTCALL_OIDC_ISSUER is not set. An administrator makes credentials: lastcall token create.';
  return reject('refused', 'NO_SIGN_IN', message);
}

function used(): Rejected {
  return reject(
    'refused',
    'ID_TOKEN_USED',
    'This ID token has been exchanged before; sign in again with "lastcall login".',
  );
}

function notSignedIn(): Rejected {
  const message = 'This credential did not come from a sign-in; an administrator ends it: lastcall token revoke.';
  return reject('refused', 'NOT_SIGNED_IN', message);
}
