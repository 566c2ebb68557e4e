import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from './world.js';

/** The catalog's own file with the bytes of a file of the release. */
export function storedBlobOf(world: World, version: string, file: string): string {
  const bytes = readFileSync(join(world.dir, 'releases', version, file));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const stored = readdirSync(join(world.dir, 'lastcall'), { recursive: true, encoding: 'utf8' });
  const [found, ...more] = stored.filter((path) => path.endsWith(`/${sha256}`));
  if (found === undefined || more.length > 0) throw new Error(`${stored.length} files, and not one is ${sha256}`);
  return join(world.dir, 'lastcall', found);
}
