import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AntivirusException } from '../domain/order.js';
import { messageOf } from '../log.js';
import type { AntivirusAnswer, AntivirusProvider, DemandedExceptions } from './provider.js';

/*
 * Any other antivirus product: whoever looks after the host names a command that knows how to ask it (README.md has the forms). The
 * command reads the demanded exceptions as JSON and answers with JSON. Nothing of it is believed by half: an answer that is late, too
 * long, of another form, or lacks a demanded exception means that nobody could find out.
 */

export const ANTIVIRUS_FILE = 'antivirus.json';
const DEFAULT_TIMEOUT_S = 20;
const MOST_TIMEOUT_S = 60;
const MAX_OUTPUT_BYTES = 1024 * 1024;
const KINDS = ['folder', 'file', 'process'] as const;
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'SystemRoot', 'TEMP', 'TMPDIR'];

interface ExecConfig {
  readonly run: readonly string[];
  readonly timeoutMs: number;
}

/** Reads the file at each question, so that a change needs no restart. No file: there is no such product. */
export function createExecProvider(root: string): AntivirusProvider {
  const file = join(root, ANTIVIRUS_FILE);
  return {
    product: 'exec',
    inspect: async (demanded, signal): Promise<AntivirusAnswer> => {
      if (!existsSync(file)) return { kind: 'absent' };
      try {
        const config = parseExecConfig(readFileSync(file, 'utf8'));
        return parseExecAnswer(await ask(config, root, demanded, signal), demanded, config.run.join(' '));
      } catch (error) {
        return { kind: 'unknown', why: `${file}: ${messageOf(error)}` };
      }
    },
  };
}

/** Throws with what is allowed. */
export function parseExecConfig(text: string): ExecConfig {
  const { run, timeoutSeconds = DEFAULT_TIMEOUT_S, ...others } = objectOf(text, 'the file');
  const unknown = Object.keys(others);
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')} is unknown; allowed are run and timeoutSeconds`);
  if (!isTexts(run) || run.length === 0) throw new Error('run must be a list of texts: the program and its arguments');
  const isTime = typeof timeoutSeconds === 'number' && timeoutSeconds >= 1 && timeoutSeconds <= MOST_TIMEOUT_S;
  if (!isTime) throw new Error(`timeoutSeconds must be 1 to ${MOST_TIMEOUT_S}`);
  return { run, timeoutMs: timeoutSeconds * 1_000 };
}

function ask(
  { run, timeoutMs }: ExecConfig,
  cwd: string,
  demanded: DemandedExceptions,
  signal: AbortSignal,
): Promise<string> {
  const [program = '', ...args] = run;
  const env = Object.fromEntries(PASSED_ON.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
  const options = { cwd, env, signal, timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES, windowsHide: true } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { ...options, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const late = child.killed && !signal.aborted ? ` (its time was ${timeoutMs / 1_000} s)` : '';
      reject(new Error(`${error.message.slice(0, 400)}${late} ${stderr.slice(-400)}`.trim()));
    });
    // EPIPE: the command does not read what is demanded, and need not.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${JSON.stringify(demanded)}\n`);
  });
}

/** Throws with what is wrong about the answer. */
export function parseExecAnswer(text: string, demanded: DemandedExceptions, command: string): AntivirusAnswer {
  const { product, exceptions, source = command } = objectOf(text, 'the answer');
  if (product === 'none') return { kind: 'absent' };
  if (typeof product !== 'string' || product === '')
    throw new Error('the answer has no product; "none" means that there is none');
  if (typeof source !== 'string' || !Array.isArray(exceptions)) {
    throw new Error('the answer needs exceptions, a list of {kind, value, present}');
  }
  const set = new Map(exceptions.map((e) => exceptionOf(e)).map((e) => [keyOf(e), e.present]));
  const wanted = [
    ...demanded.folders.map((value) => ({ kind: 'folder', value }) as const),
    ...demanded.files.map((value) => ({ kind: 'file', value }) as const),
    ...demanded.processes.map((value) => ({ kind: 'process', value }) as const),
  ];
  const lacking = wanted.filter((e) => !set.has(keyOf(e)));
  if (lacking.length > 0)
    throw new Error(`the answer says nothing of ${lacking.map((e) => `${e.kind} ${e.value}`).join(', ')}`);
  const found = wanted.map((e): AntivirusException => ({ ...e, present: set.get(keyOf(e)) === true }));
  return { kind: 'found', facts: { product, source, exceptions: found } };
}

function exceptionOf(value: unknown): AntivirusException {
  const { kind, value: what, present } = (value ?? {}) as Record<string, unknown>;
  const known = KINDS.find((k) => k === kind);
  if (known && typeof what === 'string' && typeof present === 'boolean') return { kind: known, value: what, present };
  throw new Error('each exception needs kind (folder, file or process), value (a text) and present (true or false)');
}

function keyOf({ kind, value }: Pick<AntivirusException, 'kind' | 'value'>): string {
  return `${kind} ${value}`;
}

function objectOf(text: string, what: string): Record<string, unknown> {
  const value = JSON.parse(text) as unknown;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${what} must be a JSON object`);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((v) => typeof v === 'string' && v !== '');
}
