import type { Tree } from '@lastcall/contracts';
import {
  MANIFEST_MAX_BYTES,
  parseManifest,
  type HttpHealthCheck,
  type ManifestCommand,
  type ReleaseManifest,
} from '@lastcall/contracts/manifest';
import { readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { FileProblems } from '../failures.js';
import { walkTree } from './walk-tree.js';

/*
 * A folder with `lastcall.yaml` and built files as what will be published. Refuses what is wrong with file, line and rule, all
 * mistakes at once, before anything is sent.
 */

export const MANIFEST = 'lastcall.yaml';

export interface ReleaseFolder {
  readonly manifest: ReleaseManifest;
  /** Byte for byte as written: that is what will be signed. */
  readonly manifestBytes: Buffer;
  /** In the order of the manifest's artifacts. */
  readonly artifacts: readonly FolderArtifact[];
}

export interface FolderArtifact {
  readonly role: ReleaseManifest['artifacts'][number]['role'];
  readonly platform: string;
  readonly tree: Tree;
  /** The file of each hash. */
  readonly sources: ReadonlyMap<string, string>;
}

export async function readReleaseFolder(dir: string): Promise<ReleaseFolder> {
  const file = join(dir, MANIFEST);
  const manifestBytes = await readManifestFile(dir, file);
  const text = manifestBytes.toString('utf8');
  const parsed = parseManifest(text);
  if (!parsed.ok) {
    const problems = parsed.problems.map(({ line, path, rule }) => ({ file, line, rule: `${path} ${rule}`.trim() }));
    throw new FileProblems(problems);
  }
  const { manifest } = parsed;
  const artifacts = await readArtifacts(dir, file, text, manifest);
  const missing = missingPrograms(manifest, artifacts).map((rule) => ({
    file,
    line: lineOf(text, rule.program),
    rule: rule.text,
  }));
  if (missing.length > 0) throw new FileProblems(missing);
  return { manifest, manifestBytes, artifacts };
}

async function readManifestFile(dir: string, file: string): Promise<Buffer> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) {
    const rule = `is missing: ${dir} must be a folder with ${MANIFEST} beside the built files`;
    throw new FileProblems([{ file, rule }]);
  }
  if (found.size > MANIFEST_MAX_BYTES) {
    throw new FileProblems([{ file, rule: `is larger than ${MANIFEST_MAX_BYTES} bytes` }]);
  }
  return readFile(file);
}

async function readArtifacts(
  dir: string,
  file: string,
  text: string,
  manifest: ReleaseManifest,
): Promise<FolderArtifact[]> {
  const artifacts: FolderArtifact[] = [];
  const problems: FileProblems['problems'][number][] = [];
  // Several roles often share one folder: it is read once.
  const walked = new Map<string, Awaited<ReturnType<typeof walkTree>>>();
  for (const [i, { role, platform, directory }] of manifest.artifacts.entries()) {
    const folder = join(dir, directory);
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
      const rule = `artifacts[${i}].directory names ${relative('.', folder) || folder}, which is no folder`;
      problems.push({ file, line: lineOfDirectory(text, i), rule });
      continue;
    }
    const result = walked.get(folder) ?? (await walkTree(folder));
    if (!walked.has(folder)) problems.push(...result.problems);
    walked.set(folder, result);
    if (result.tree) artifacts.push({ role, platform, tree: result.tree, sources: result.sources });
  }
  if (problems.length > 0) throw new FileProblems(problems);
  return artifacts;
}

/** Programs of commands that are files of the release, by their `./`: they must be in the folder of their role. */
function missingPrograms(
  manifest: ReleaseManifest,
  artifacts: readonly FolderArtifact[],
): { program: string; text: string }[] {
  return artifacts.flatMap(({ role, platform, tree }) => {
    const files = new Set(tree.files.map((f) => f.path));
    const commands: readonly [string, ManifestCommand | HttpHealthCheck][] = Object.entries(
      manifest.commands[role] ?? {},
    );
    return commands.flatMap(([name, command]) => {
      const program = 'run' in command ? (command.run[0] ?? '') : '';
      if (!program.startsWith('./') || program.includes('${') || files.has(program.slice(2))) return [];
      return [
        {
          program,
          text: `commands.${role}.${name} runs ${program}, which is not in the files for ${role} on ${platform}`,
        },
      ];
    });
  });
}

function lineOf(text: string, value: string): number {
  const before = text.slice(0, Math.max(0, text.indexOf(value)));
  return before.split('\n').length;
}

/** Line of the n-th `directory:`; each artifact has exactly one. */
function lineOfDirectory(text: string, n: number): number {
  const match = [...text.matchAll(/\bdirectory\s*:/g)][n];
  return text.slice(0, match?.index ?? 0).split('\n').length;
}
