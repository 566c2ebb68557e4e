import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeCredential } from '@lastcall/runtime';
import type { Documents } from './documents.js';
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
