import { createMetadataFetcher, openTrustedState } from '@lastcall/agent';
import { withSignedCatalog, type SignedCatalog } from '@lastcall/trust/client';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/*
 * The agent's own walk through a signed catalog behind the command line that the conformance suite of The Update Framework speaks. It owns files only:
 * the suite looks for one file for each role and keeps what was downloaded; the agent keeps all it trusts in one file, in a folder below.
 */

interface Arguments {
  readonly 'metadata-dir': string;
  readonly 'metadata-url'?: string | undefined;
  readonly 'target-name'?: string[] | undefined;
  readonly 'target-base-url'?: string | undefined;
  readonly 'target-dir'?: string | undefined;
}

export async function runClient(argv: readonly string[]): Promise<number> {
  const string = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      ...{ 'metadata-dir': { ...string, default: '.' }, 'metadata-url': string, 'target-base-url': string },
      ...{ 'target-dir': string, 'target-name': { ...string, multiple: true } },
    },
  });
  const [command, rootFile = ''] = positionals;
  try {
    if (command === 'init') pin(values, rootFile);
    else await refresh(values, command === 'download' ? (values['target-name'] ?? []) : []);
    return 0;
  } catch (error) {
    console.error(error);
    return 1;
  }
}

function stateOf(values: Arguments) {
  return openTrustedState(join(values['metadata-dir'], 'state'));
}

function pin(values: Arguments, rootFile: string): void {
  const root = readFileSync(rootFile);
  stateOf(values).pin(root);
  show(values);
}

/** One file for each trusted role, as it came. */
function show(values: Arguments): void {
  for (const [role, bytes] of stateOf(values).load()) {
    writeFileSync(join(values['metadata-dir'], `${encodeURIComponent(role)}.json`), bytes);
  }
}

async function refresh(values: Arguments, targets: readonly string[]): Promise<void> {
  const fetcher = (baseUrl = '') =>
    createMetadataFetcher({
      baseUrl: baseUrl.replace(/\/+$/, ''),
      credential: () => '',
      signal: AbortSignal.timeout(60_000),
      attempts: 2,
    });
  const parts = {
    state: stateOf(values),
    metadata: fetcher(values['metadata-url']),
    targets: fetcher(values['target-base-url']),
  };
  try {
    await withSignedCatalog(parts, async (catalog) => {
      for (const path of targets) await download(catalog, path, values['target-dir'] ?? '.');
    });
  } finally {
    show(values);
  }
}

async function download(catalog: SignedCatalog, path: string, dir: string): Promise<void> {
  const target = await catalog.find(path);
  if (!target) throw new Error(`nothing is signed under ${path}`);
  const file = join(dir, encodeURIComponent(path));
  if (isThere(file, target.hashes)) return;
  const bytes = await catalog.fetch(target);
  mkdirSync(dir, { recursive: true });
  writeFileSync(`${file}.next`, bytes);
  renameSync(`${file}.next`, file);
}

function isThere(file: string, hashes: Readonly<Record<string, string>>): boolean {
  try {
    const bytes = readFileSync(file);
    return Object.entries(hashes).every(([name, hash]) => createHash(name).update(bytes).digest('hex') === hash);
  } catch {
    return false; // Not downloaded yet.
  }
}

if (require.main === module) void runClient(process.argv.slice(2)).then((code) => process.exit(code));
