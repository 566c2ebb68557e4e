import { buildSync } from 'esbuild';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ProcessOrders } from './contract-process.js';
import type { StoreOptions } from './store-options.js';

/** The other process of a test. */
export interface TestProcess {
  /** The next line that it says; undefined when it has ended. */
  nextLine(): Promise<string | undefined>;
  goOn(): void;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

let program: string | undefined;
afterAll(() => {
  if (program !== undefined) rmSync(dirname(program), { recursive: true, force: true });
  program = undefined;
});

/** Tests run on the sources, so the program is put together once for each suite. */
function build(): string {
  if (program !== undefined) return program;
  program = join(mkdtempSync(join(tmpdir(), 'lastcall-store-')), 'contract-process.cjs');
  buildSync({
    entryPoints: [join(__dirname, 'contract-process.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    conditions: ['@lastcall/source'],
  });
  return program;
}

/** `before`: what runs in a shell first, in the process that then becomes ours. */
export function startProcess(options: StoreOptions, orders: ProcessOrders, before = ':', shell = ['sh']): TestProcess {
  const args = ['--disable-warning=ExperimentalWarning', build(), JSON.stringify(options), JSON.stringify(orders)];
  const [command = '', ...more] = [...shell, '-c', `${before} && exec "$@"`, 'sh', process.execPath, ...args];
  const child = spawn(command, more, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = child.stdout.setEncoding('utf8').iterator() as AsyncIterator<string, undefined>;
  let rest = '';
  return {
    nextLine: async () => {
      while (!rest.includes('\n')) {
        const { value } = await lines.next();
        if (value === undefined) return undefined;
        rest += value;
      }
      const [line = '', ...others] = rest.split('\n');
      rest = others.join('\n');
      return line;
    },
    goOn: () => void child.stdin.write('\n'),
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
