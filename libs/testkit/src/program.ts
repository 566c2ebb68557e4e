import { buildSync } from 'esbuild';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { startChild, type Child } from './child.js';

/*
 * Programs of the workspace as real processes. Tests run on the sources, so a program is put together from them once for each
 * test file.
 */

const built = new Map<string, string>();
let folder: string | undefined;

/** Answers the path of one file of JavaScript that Node runs as it is. */
export function buildProgram(entry: string): string {
  const done = built.get(entry);
  if (done !== undefined) return done;
  folder ??= newFolder();
  const outfile = join(folder, 'testkit', 'dist', `${basename(entry, '.ts')}-${built.size}.cjs`);
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    conditions: ['@lastcall/source'],
    // Resolved at run time from the workspace: their packages do not bear being put together.
    external: ['@opentelemetry/*', 'mongodb', '@grpc/grpc-js'],
    logLevel: 'error',
  });
  built.set(entry, outfile);
  return outfile;
}

function newFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'lastcall-programs-'));
  // As deep as a compiled file of a package: the package says its version two folders above.
  copyFileSync(join(__dirname, '..', 'package.json'), join(made, 'package.json'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Starts a program from its source. */
export function startProgram(
  entry: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string | undefined>> = {},
): Child {
  const nodeModules = join(__dirname, '..', '..', '..', 'node_modules');
  const flags = ['--disable-warning=ExperimentalWarning'];
  return startChild(process.execPath, [...flags, buildProgram(entry), ...args], { NODE_PATH: nodeModules, ...env });
}
