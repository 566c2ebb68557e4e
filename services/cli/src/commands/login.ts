import { identityV1 } from '@lastcall/contracts';
import { reject, RejectedError } from '@lastcall/kernel';
import { CallError, CODE, findConnection } from '@lastcall/sdk';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { fields, safe } from '../render/text.js';
import { ownZone, time } from '../render/time.js';
import { lastPart, tokenRoleWord } from '../render/words.js';
import { exchange, withTokens } from '../sign-in/login.js';
import { loginFile, readLogin, removeLogin } from '../sign-in/login-file.js';
import { beginDeviceSignIn, forgetRefreshToken } from '../sign-in/provider.js';
import type { Work } from '../work.js';

interface LoginOptions {
  readonly issuer?: string;
  readonly installation?: string;
}

export function addLogin(cli: Cli): void {
  cli.define<LoginOptions>(
    cli.program,
    {
      use: 'login',
      does: 'Signs you in at the provider of this Lastcall, with a code that you enter in any browser',
      example: 'lastcall login',
      options: (command) =>
        command
          .option('--issuer <url>', 'go on only if this is the provider (default: whichever Lastcall names)')
          .option('-i, --installation <id>', 'for this installation only (default: what your groups give first)'),
      renews: false,
    },
    login,
  );
  cli.define(
    cli.program,
    {
      use: 'logout',
      does: 'Ends what "lastcall login" began: the credential, everywhere, and its file',
      example: 'lastcall logout',
      renews: false,
    },
    logout,
  );
  cli.define(
    cli.program,
    { use: 'whoami', does: 'Shows who you are to Lastcall, and by which credential', example: 'lastcall whoami' },
    whoami,
  );
}

async function login(work: Work, options: LoginOptions): Promise<void> {
  const { env } = work.io;
  if (env['LASTCALL_TOKEN_FILE'])
    throw new UsageError('LASTCALL_TOKEN_FILE is set and would be used all the same; unset it');
  const connection = findConnection(env);
  const { scopes, ...at } = await withTokens(connection, (tokens) => tokens.getSignIn({}));
  if (at.issuer === '') throw new RejectedError(noSignIn(connection.address));
  if (options.issuer !== undefined && options.issuer !== at.issuer) {
    throw new RejectedError(otherIssuer(options.issuer, at.issuer));
  }
  const begun = await beginDeviceSignIn(at, scopes);
  work.note(`Open ${safe(begun.page)} in a browser and enter the code ${safe(begun.code)}`);
  if (begun.pageWithCode !== '') work.note(`or open ${safe(begun.pageWithCode)}`);
  const until = new Date(Date.now() + begun.validSeconds * 1000);
  work.note(`The code holds until ${time(until, ownZone())}. Enter it only if you have just begun this yourself.`);
  const cancel = new AbortController();
  void work.io.stopped().then(() => cancel.abort());
  const tokens = await begun.finish(cancel.signal);
  const { token } = await exchange(env, connection, at, tokens, lastPart(options.installation ?? ''));
  work.print(identityV1.Token.toJSON(token), () => {
    const what = `${tokenRoleWord(token.role)} of ${token.installation || 'all installations'}`;
    return `Signed in as ${safe(token.subject)}: ${what}, until ${time(token.expireTime, ownZone())}.\n`;
  });
}

async function logout(work: Work): Promise<void> {
  const { env } = work.io;
  const connection = findConnection(env);
  const known = readLogin(env, connection.address);
  if (!known) {
    work.print({}, () => `Nobody was signed in to ${connection.address}.\n`);
    return;
  }
  await withTokens(connection, (tokens) => tokens.signOut({}), known.credential).catch((error: unknown) => {
    // It has ended by itself, or somebody has revoked it: then it is out already.
    if (!(error instanceof CallError) || error.code !== CODE.unauthenticated) throw error;
  });
  removeLogin(env, connection.address);
  if (known.refreshToken !== '') {
    await forgetRefreshToken(known, known.refreshToken).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      work.io.err.write(`The provider was not told (${safe(why)}); its own session goes on.\n`);
    });
  }
  work.print({}, () => `Signed out of ${connection.address}.\n`);
}

async function whoami(work: Work): Promise<void> {
  const { address } = work.services.connection;
  const caller = await work.services.tokens.getCaller({});
  const { env } = work.io;
  const known = env['LASTCALL_TOKEN_FILE'] ? undefined : readLogin(env, address);
  work.print(identityV1.GetCallerResponse.toJSON(caller), () =>
    fields([
      ['Subject', caller.subject],
      ['Role', tokenRoleWord(caller.role)],
      ['Installation', caller.installation || 'all'],
      ['Lastcall', address],
      ['Signed in at', known?.issuer],
      ['Until', known && time(new Date(known.expiresAt), ownZone())],
      ['Credential', known ? loginFile(env, address) : (env['LASTCALL_TOKEN_FILE'] ?? 'of the data folder')],
    ]),
  );
}

function noSignIn(address: string) {
  const message =
    `Nobody signs in to ${address}: it has no provider (LASTCALL_OIDC_ISSUER of the catalog). ` +
    'An administrator makes credentials with "lastcall token create".';
  return reject('refused', 'NO_SIGN_IN', message);
}

function otherIssuer(wanted: string, named: string) {
  const message = `Lastcall names the provider ${named} and not ${wanted}; ask your administrator which is right.`;
  return reject('refused', 'OTHER_ISSUER', message);
}
