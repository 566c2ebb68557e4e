import { identityV1 } from '@lastcall/contracts';
import { reject, RejectedError } from '@lastcall/kernel';
import {
  createClient,
  findConnection,
  openChannel,
  readConnection,
  type Connection,
  type Environment,
  type UnaryClient,
} from '@lastcall/sdk';
import { readLogin, writeLogin, type Login } from './login-file.js';
import { refreshTokens, type ProviderAt, type ProviderTokens } from './provider.js';

/*
 * Whose credential a command uses: that of LASTCALL_TOKEN_FILE; else that of whoever has signed in to this address; else that of the data
 * folder of `lastcall up`. Who has signed in is never somebody else without a word: a sign-in that is over says so.
 */

type Tokens = UnaryClient<typeof identityV1.TokenServiceService>;

/** Renewed when it ends so soon. */
const RENEW_BEFORE_MS = 5 * 60_000;

export function connectionOf(env: Environment): Connection {
  const found = env['LASTCALL_TOKEN_FILE'] ? undefined : findConnection(env);
  const login = found && readLogin(env, found.address);
  if (!found || !login) return readConnection(env);
  if (login.expiresAt <= Date.now()) throw new RejectedError(over(found.address));
  // Read for each call: another command may have renewed it.
  return { ...found, credential: () => readLogin(env, found.address)?.credential ?? '' };
}

/** Calls the Lastcall at this address as nobody, or with the credential that is given. */
export async function withTokens<T>(
  { address, tls }: Pick<Connection, 'address' | 'tls'>,
  call: (tokens: Tokens) => Promise<T>,
  credential = '',
): Promise<T> {
  const channel = openChannel({ address, credential: () => credential, tls });
  try {
    return await call(createClient(identityV1.TokenServiceService, channel));
  } finally {
    channel.close();
  }
}

/** The provider's ID token for a credential, kept for the next commands. Answers where, and its record. */
export async function exchange(
  env: Environment,
  connection: Pick<Connection, 'address' | 'tls'>,
  at: ProviderAt,
  { idToken, nonce, refreshToken }: ProviderTokens,
  installation: string,
): Promise<{ readonly file: string; readonly token: identityV1.Token }> {
  const request = { idToken, nonce, installation };
  const { credential, token: found } = await withTokens(connection, (tokens) => tokens.signIn(request));
  const token = found ?? identityV1.Token.create();
  const expiresAt = token.expireTime?.getTime() ?? 0;
  const { address } = connection;
  const login: Login = { ...{ address, credential, token: token.name, expiresAt, refreshToken, installation }, ...at };
  return { file: writeLogin(env, login), token };
}

/** Before a command: a sign-in that is about to end goes on, where the provider allows it. What does not work is told by the command itself. */
export async function renewLogin(env: Environment): Promise<void> {
  if (env['LASTCALL_TOKEN_FILE']) return;
  try {
    const connection = findConnection(env);
    const login = readLogin(env, connection.address);
    if (!login || login.refreshToken === '' || login.expiresAt - Date.now() > RENEW_BEFORE_MS) return;
    const { issuer, clientId, installation } = login;
    const at = { issuer, clientId };
    await exchange(env, connection, at, await refreshTokens(at, login.refreshToken), installation);
  } catch {
    // No address, or a provider that is away: the credential may hold for minutes yet, and where it does not, its refusal says so.
  }
}

function over(address: string) {
  const message =
    `Your sign-in to ${address} has ended. Sign in again with "lastcall login", ` +
    'or remove it with "lastcall logout" to use the credential of the data folder.';
  return reject('unauthenticated', 'SIGN_IN_OVER', message);
}
