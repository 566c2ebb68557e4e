import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestRelease } from './tuf-repository.js';

/*
 * Releases of the agent itself, built by the command that builds real ones, once for each suite. A version is the same program under another
 * number; what stands before its first line is how a test spoils it.
 */

export interface AgentBuild {
  /** As a package would install it; answers the launcher. */
  install(to: string): string;
  release(version: string, prelude?: string): TestRelease;
  remove(): void;
}

const BUILD = join(__dirname, '..', '..', '..', '..', 'tools', 'build-agent.mjs');
const VERSION_LINE = /AGENT_VERSION = "[^"]+"/;

export function buildAgent(): AgentBuild {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-agent-build-'));
  execFileSync(process.execPath, [BUILD, dir]);
  const tree = join(dir, 'agent');
  const paths = readdirSync(tree, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(tree, path)).isFile(),
  );
  const bytesOf = (path: string, version: string, prelude: string): Buffer => {
    const bytes = readFileSync(join(tree, path));
    if (path !== 'dist/main.js') return bytes;
    return Buffer.from(`{ ${prelude} }\n${bytes.toString().replace(VERSION_LINE, `AGENT_VERSION = "${version}"`)}`);
  };
  return {
    install: (to) => {
      cpSync(tree, to, { recursive: true });
      const launcher = join(to, 'bin', 'lastcall-agent.js');
      chmodSync(launcher, 0o755);
      return launcher;
    },
    release: (version, prelude = '') => ({
      product: 'lastcall-agent',
      version,
      role: 'server',
      manifest: readFileSync(join(dir, 'lastcall.yaml'), 'utf8').replace(/version: .*/, `version: ${version}`),
      files: paths.map((path) => ({
        path,
        mode: statSync(join(tree, path)).mode & 0o777,
        bytes: bytesOf(path, version, prelude),
      })),
    }),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
