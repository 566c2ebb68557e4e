import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY_MS, HOUR_MS } from '@lastcall/kernel';
import { describeCredential, removeOld, type Duty } from '@lastcall/runtime';
import { BY_TIME, type Documents } from './documents.js';
import { SIGNED_IN } from './domain/sign-in.js';
import type { TokenState } from './domain/token.js';
import { recordToken } from './machines.js';
import { isTokenRole } from './wire.js';

/** Records the credentials that were made without us, so that they can be listed and revoked: `*.token` in the folder. */
export async function importTokens(documents: Documents, identityDir: string): Promise<void> {
  const names = (await readdir(identityDir)).filter((name) => name.endsWith('.token'));
  for (const name of names) {
    const issued = describeCredential(await readFile(join(identityDir, name), 'utf8'));
    if (!issued || !isTokenRole(issued.role)) continue;
    await recordToken(documents, issued.id, {
      subject: issued.subject,
      role: issued.role,
      installation: issued.installation ?? '',
      createdAt: issued.issuedAt,
      expiresAt: issued.expiresAt,
    });
  }
}

const KEPT_MS = 90 * DAY_MS;

/** People sign in day after day: what has ended 90 days ago is forgotten; the audit log knows. Others stay. */
export function createTokenRemover({ tokens }: Documents, now: () => Promise<number>): Duty {
  return {
    name: 'credentials of sign-ins that are over',
    everyMs: 6 * HOUR_MS,
    runOnce: async (signal) => {
      const before = (await now()) - KEPT_MS;
      const old = { collection: tokens, index: BY_TIME, field: 'created', before };
      const mayGo: Parameters<typeof removeOld<TokenState>>[0]['mayGo'] = (token) =>
        token.state !== 'absent' && token.grant.subject.startsWith(SIGNED_IN) && token.grant.expiresAt < before;
      await removeOld({ ...old, mayGo }, signal);
      return undefined;
    },
  };
}
