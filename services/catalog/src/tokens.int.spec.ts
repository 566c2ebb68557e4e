import { createManualClock, DAY_MS, HOUR_MS } from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { createTempFolder } from '@lastcall/testkit';
import { join } from 'node:path';
import { openDocuments } from './documents.js';
import { recordToken } from './machines.js';
import { createTokenRemover } from './tokens.js';

/* Records of credentials of sign-ins go when they are of no use any more; those that somebody issued stay. */

describe('credentials that are over', () => {
  let folder: { readonly path: string; remove(): Promise<void> };
  let store: Store;
  const clock = createManualClock();
  beforeAll(async () => {
    folder = await createTempFolder('tokens');
    const file = join(folder.path, 'catalog.db');
    store = await openStore({ url: '', file, service: 'catalog', database: '', clock });
  });
  afterAll(async () => {
    await store.close();
    await folder.remove();
  });

  it('are forgotten 90 days after their end, when they came from a sign-in', async () => {
    const documents = await openDocuments(store);
    const issue = (token: string, subject: string, validMs: number) => {
      const createdAt = clock.now();
      const grant = { subject, role: 'viewer', installation: '', createdAt, expiresAt: createdAt + validMs } as const;
      return recordToken(documents, token, grant);
    };
    await issue('tok-old', 'oidc:anna', HOUR_MS);
    await issue('tok-issued', 'kiosk', HOUR_MS);
    await issue('tok-long', 'oidc:anna', 30 * DAY_MS);
    clock.advance(91 * DAY_MS);
    await issue('tok-new', 'oidc:anna', HOUR_MS);
    await createTokenRemover(documents, async () => clock.now()).runOnce(new AbortController().signal);
    const { items } = await documents.tokens.query({ index: 'newest', where: { all: true }, limit: 10 });
    expect(items.map(({ id }) => id).toSorted()).toEqual(['tok-issued', 'tok-long', 'tok-new']);
  });
});
