import { SECOND_MS } from '@lastcall/kernel';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keysDirOf } from './authority.js';

/*
 * A catalog that was brought back from a backup. Hosts have seen what it published afterwards, and take nothing with a lower number. So
 * numbers go on from the seconds since 1970, which is more than any that was counted up; and what it signs itself it signs anew under them. With
 * keys elsewhere the roles stay as they were signed, and only snapshot and timestamp get such numbers.
 */

/** Of everything but the root, whose numbers go up one by one; what hosts have seen of it is never taken back. */
const NUMBERED = /^\d+\.(?!root\.)[a-z0-9-]+\.json$/;

/** `catalogDir` as it was in the backup, before the catalog starts on it. */
export async function liftPublication(catalogDir: string, now: number): Promise<void> {
  const dir = join(catalogDir, 'tuf');
  const metadata = join(dir, 'metadata');
  const keys = await readdir(keysDirOf(dir)).catch(() => []);
  if (keys.some((name) => name.startsWith('releases-'))) {
    for (const name of await readdir(metadata)) if (NUMBERED.test(name)) await rm(join(metadata, name));
  }
  // Its name is its number.
  const text = `{"restoredAt":"${new Date(now).toISOString()}"}\n`;
  await writeFile(join(metadata, `${Math.floor(now / SECOND_MS)}.restored.json`), text, { flush: true });
}
