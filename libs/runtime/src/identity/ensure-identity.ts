import type { ServiceName } from '@lastcall/contracts';
import { DAY_MS, systemClock, type Clock } from '@lastcall/kernel';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSigningKey, publicJwk, tokenIssuerOf } from './token-issuer.js';

/*
 * The keys and credentials of one installation of Lastcall. Creates what is missing and changes nothing that is there; files
 * are 0600, the folder 0700. Two processes that do it at the same time agree, because a file appears whole and once.
 */

export const SERVICE_NAMES: readonly ServiceName[] = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];

export const IDENTITY_FILES = {
  signingKey: 'signing-key.pem',
  keys: 'keys.json',
  operator: 'operator.token',
} as const;

/** What everybody else has of an identity, each made of the signing key alone. */
export const IDENTITY_PARTS: readonly string[] = [
  IDENTITY_FILES.keys,
  IDENTITY_FILES.operator,
  ...SERVICE_NAMES.map((name) => `${name}.token`),
];

/** Ours and the operator's own; ended by revoking them. */
const VALID_MS = 3_650 * DAY_MS;

/** Answers the path of the operator's credential. */
export async function ensureIdentity(identityDir: string, clock: Clock = systemClock): Promise<string> {
  await mkdir(identityDir, { recursive: true, mode: 0o700 });
  await chmod(identityDir, 0o700);
  const at = (name: string): string => join(identityDir, name);
  await ensureFile(at(IDENTITY_FILES.signingKey), newSigningKey);
  const signingKey = await readFile(at(IDENTITY_FILES.signingKey), 'utf8');
  for (const name of IDENTITY_PARTS) {
    await ensureFile(at(name), () => makeIdentityPart(name, signingKey, clock));
  }
  return at(IDENTITY_FILES.operator);
}

/** PEM, PKCS #8. */
export function newSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Content of one of IDENTITY_PARTS. Throws a Fault when the key (PEM, PKCS #8) is none. */
export async function makeIdentityPart(name: string, signingKey: string, clock: Clock = systemClock): Promise<string> {
  const key = parseSigningKey(signingKey, 'of this identity');
  if (name === IDENTITY_FILES.keys) return JSON.stringify({ keys: [await publicJwk(key)] }, null, 2);
  const subject = name.replace(/\.token$/, '');
  const issuedAt = clock.now();
  const issuer = await tokenIssuerOf(key);
  const { credential } = await issuer.issue({
    subject: name === IDENTITY_FILES.operator ? subject : `service:${subject}`,
    role: 'admin',
    issuedAt,
    expiresAt: issuedAt + VALID_MS,
  });
  return credential;
}

/** Whether services that have these public keys (keys.json) believe what is signed with that key (PEM, PKCS #8). */
export async function knowsSigningKey(keys: string, signingKey: string): Promise<boolean> {
  const { kid } = await publicJwk(parseSigningKey(signingKey, 'of this identity'));
  try {
    const known = JSON.parse(keys) as { readonly keys: readonly { readonly kid?: string }[] };
    return known.keys.some((key) => key.kid === kid);
  } catch {
    return false; // Nothing that a service could read.
  }
}

/** Writes beside it and links into place: the file is there whole or not at all, and the first one wins. */
async function ensureFile(file: string, content: () => string | Promise<string>): Promise<void> {
  if (await isThere(file)) return;
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, await content(), { mode: 0o600, flag: 'wx' });
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function isThere(file: string): Promise<boolean> {
  return readFile(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
