import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/* helm and kubectl as the checks use them. Both are on the PATH, and KUBECONFIG names an API server that nobody else uses. */

export const ROOT = resolve(import.meta.dirname, '../..');
export const CHART = join(ROOT, 'deploy/helm/lastcall');
export const NAMESPACE = 'lastcall';
/** helm asks no server for its version when it only renders. */
const KUBERNETES = '1.34.0';
const MAX_BYTES = 64 * 1024 * 1024;

/** Never rejects. `out` and `err`: what it wrote. */
export function run(program, args, input = '') {
  return new Promise((done) => {
    const child = execFile(program, args, { maxBuffer: MAX_BYTES }, (error, out, err) => {
      done({ ok: error === null, out, err: err || String(error ?? '') });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Hands the values over as a file, as a person would. */
async function withValues(values, use) {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-chart-'));
  const file = join(folder, 'values.json');
  writeFileSync(file, JSON.stringify(values));
  try {
    return await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const release = ['-n', NAMESPACE, '--kube-version', KUBERNETES];

export function render(values, ...more) {
  return withValues(values, (file) => run('helm', ['template', 'x', CHART, ...release, '-f', file, ...more]));
}

export function lint(values) {
  return withValues(values, (file) => run('helm', ['lint', CHART, '--strict', ...release, '-f', file]));
}

/** `verb`: install or upgrade. Hooks need pods that run, and here is no node. */
export function deploy(verb, values, ...more) {
  return withValues(values, (file) =>
    run('helm', [verb, 'x', CHART, '-n', NAMESPACE, '-f', file, '--no-hooks', ...more]),
  );
}

export const kubectl = (args, input) => run('kubectl', ['-n', NAMESPACE, ...args], input);

/** What the server would make of these objects, admission included. */
export async function wouldApply(objects) {
  const { ok, out, err } = await kubectl(['apply', '--dry-run=server', '-o', 'json', '-f', '-'], objects);
  if (!ok) return { problems: err.trim().split('\n'), items: [] };
  const items = JSON.parse(out).items ?? [JSON.parse(out)];
  // Warnings are about what admission would refuse, or what will go away.
  const problems = err.split('\n').filter((line) => /warning/i.test(line));
  return { problems, items };
}
