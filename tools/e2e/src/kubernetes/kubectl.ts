import { spawn } from 'node:child_process';

/* kubectl and helm, as an operator types them. */

export interface Kubectl {
  readonly namespace: string;
  /** Its output. Throws with what it said when it fails. */
  run(args: readonly string[], options?: RunOptions): Promise<string>;
  json<T>(args: readonly string[]): Promise<T>;
  /** Sends objects; JSON is YAML too. */
  apply(objects: readonly object[]): Promise<void>;
  helm(args: readonly string[], options?: RunOptions): Promise<string>;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly cwd?: string;
}

const TIMEOUT_MS = 60_000;

export function kubectlIn(namespace: string): Kubectl {
  const run: Kubectl['run'] = (args, options) => execute('kubectl', ['-n', namespace, ...args], options);
  return {
    namespace,
    run,
    json: async <T>(args: readonly string[]) => JSON.parse(await run([...args, '-o', 'json'])) as T,
    apply: async (objects) => {
      const list = { apiVersion: 'v1', kind: 'List', items: objects };
      await run(['apply', '-f', '-'], { input: JSON.stringify(list) });
    },
    helm: (args, options) => execute('helm', ['-n', namespace, ...args], options),
  };
}

export function execute(
  program: string,
  args: readonly string[],
  { input = '', timeoutMs = TIMEOUT_MS, cwd = process.cwd() }: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { stdio: 'pipe', timeout: timeoutMs, cwd });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    // It ended before it had read everything: `close` says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', (cause) => reject(new Error(`${program} was not started; is it on the PATH?`, { cause })));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${program} ${args.join(' ')} ended with ${signal ?? code}:\n${err || out}`));
    });
  });
}
