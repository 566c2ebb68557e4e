import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

/*
 * Builds Encore's releases, each a folder with a manifest and the files of its roles, as a vendor's build would.
 */

export const ENCORE_RELEASES = [
  { version: '11.0.0', schema: 1 },
  { version: '11.1.0', schema: 2 },
  { version: '11.2.0', schema: 3 },
] as const;

export type EncoreVersion = (typeof ENCORE_RELEASES)[number]['version'];

const HERE = resolve(__dirname, '..');

/** Writes `{outDir}/{version}/lastcall.yaml`, `server/`, `client/`. Answers the folder of each version. */
export async function buildReleases(outDir: string): Promise<Readonly<Record<EncoreVersion, string>>> {
  const folders = await Promise.all(ENCORE_RELEASES.map((release) => buildRelease(outDir, release)));
  return Object.fromEntries(folders) as Record<EncoreVersion, string>;
}

async function buildRelease(
  outDir: string,
  { version, schema }: (typeof ENCORE_RELEASES)[number],
): Promise<[EncoreVersion, string]> {
  const folder = join(outDir, version);
  for (const part of ['server', 'client']) {
    mkdirSync(join(folder, part), { recursive: true });
    cpSync(join(HERE, 'assets', part), join(folder, part), { recursive: true });
  }
  const define = { ENCORE_VERSION: JSON.stringify(version), ENCORE_SCHEMA: String(schema) };
  await bundle('server/main.ts', join(folder, 'server', 'encore.js'), define);
  await bundle('client/main.ts', join(folder, 'client', 'client.js'), define);
  for (const part of ['server', 'client']) {
    writeFileSync(join(folder, part, 'CHANGES.txt'), `Encore ${version}\n${changes(version)}\n`);
  }
  writeFileSync(join(folder, 'lastcall.yaml'), manifest(version));
  return [version, folder];
}

/** Sources, not what tsc made of them: the releases can be built before the workspace is. */
async function bundle(entry: string, outfile: string, define: Record<string, string>): Promise<void> {
  await build({
    entryPoints: [join(HERE, 'src', entry)],
    outfile,
    define,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    conditions: ['@lastcall/source'],
    legalComments: 'none',
    minify: true,
  });
}

function changes(version: EncoreVersion): string {
  switch (version) {
    case '11.0.0':
      return 'First release of Encore 11.';
    case '11.1.0':
      return 'New: a waiting list for events that are sold out.';
    case '11.2.0':
      return 'New: customers are kept in a list of their own.';
  }
}

function manifest(version: EncoreVersion): string {
  return readFileSync(join(HERE, 'assets', 'lastcall.yaml'), 'utf8')
    .replaceAll('@VERSION@', version)
    .replaceAll('@CHANGES@', changes(version));
}
