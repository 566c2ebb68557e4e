import type { ServiceName } from '@lastcall/contracts';
import { DAY_MS, systemClock, type Clock } from '@lastcall/kernel';
import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTokenIssuer, publicJwk } from './token-issuer.js';

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

/** Ours and the operator's own; ended by revoking them. */
const VALID_MS = 3_650 * DAY_MS;

/** Answers the path of the operator's credential. */
export async function ensureIdentity(identityDir: string, clock: Clock = systemClock): Promise<string> {
  await mkdir(identityDir, { recursive: true, mode: 0o700 });
  await chmod(identityDir, 0o700);
  const at = (name: string): string => join(identityDir, name);
  await ensureFile(at(IDENTITY_FILES.signingKey), newSigningKey);
  await ensureFile(at(IDENTITY_FILES.keys), () => jwks(at(IDENTITY_FILES.signingKey)));
  const issuer = await createTokenIssuer(at(IDENTITY_FILES.signingKey));
  const issuedAt = clock.now();
  const admin = async (subject: string): Promise<string> =>
    (await issuer.issue({ subject, role: 'admin', issuedAt, expiresAt: issuedAt + VALID_MS })).credential;
  await ensureFile(at(IDENTITY_FILES.operator), () => admin('operator'));
  for (const name of SERVICE_NAMES) await ensureFile(at(`${name}.token`), () => admin(`service:${name}`));
  return at(IDENTITY_FILES.operator);
}

function newSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function jwks(signingKeyFile: string): Promise<string> {
  const jwk = await publicJwk(createPrivateKey(await readFile(signingKeyFile)));
  return JSON.stringify({ keys: [jwk] }, null, 2);
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
