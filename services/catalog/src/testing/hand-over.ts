import { orThrow } from '@lastcall/kernel';
import { formatSigningRequest, signRequest, type TufKey } from '@lastcall/trust';
import { createSigning } from '../signing.js';
import { readRequest } from '../tuf/signing.js';
import type { MirrorSite } from './mirror-site.js';

/** Gives the catalog's keys to these people: a next root. */
export async function offlineHandOver(site: MirrorSite, people: readonly TufKey[]): Promise<void> {
  const set = { keys: people.map((key) => key.publicKey), threshold: people.length };
  const keys = { root: set, targets: set, releases: set, newOnlineKeys: false };
  const signing = createSigning(site);
  const { blob } = orThrow(await signing.prepare({ keys, renew: false }));
  const request = orThrow(readRequest((await site.blobs.read(blob)) ?? Buffer.alloc(0)));
  const signed = await site.blobs.keep(formatSigningRequest(signRequest(request, people)));
  orThrow(await orThrow(await signing.check(signed, true)).perform());
}
