import type { Environment } from '@lastcall/sdk';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/*
 * What a sign-in leaves on the disk of its user: one file for each Lastcall, by its address, so that no credential is ever sent to
 * another one. Readable by the user alone (0600 in a folder of 0700); it appears whole.
 */

export interface Login {
  /** `host:port` that issued the credential. */
  readonly address: string;
  readonly credential: string;
  /** `tokens/{token}`. */
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly issuer: string;
  readonly clientId: string;
  /** Empty where the provider gave none: then there are no renewals. */
  readonly refreshToken: string;
  /** That was asked for; empty: none was. */
  readonly installation: string;
}

export function loginFile(env: Environment, address: string): string {
  const given = env['XDG_STATE_HOME'] ?? '';
  const state = isAbsolute(given) ? given : join(env['HOME'] || homedir(), '.local', 'state');
  return join(state, 'lastcall', 'logins', `${encodeURIComponent(address)}.json`);
}

/** Undefined: nobody has signed in there. */
export function readLogin(env: Environment, address: string): Login | undefined {
  try {
    const login = JSON.parse(readFileSync(loginFile(env, address), 'utf8')) as Login;
    return login.address === address && typeof login.credential === 'string' ? login : undefined;
  } catch {
    // Not there, or not ours: whoever needs it says how to sign in.
    return undefined;
  }
}

/** Answers where it is. */
export function writeLogin(env: Environment, login: Login): string {
  const file = loginFile(env, login.address);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(login)}\n`, { mode: 0o600 });
  renameSync(draft, file);
  return file;
}

export function removeLogin(env: Environment, address: string): void {
  rmSync(loginFile(env, address), { force: true });
}
