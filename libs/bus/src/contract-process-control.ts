import { buildSync } from 'esbuild';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ContractProcessOrders } from './contract-process.js';
import type { BusOptions } from './open-bus.js';

/** The other process of a test. */
export interface ContractProcess {
  /** Resolves when what it has said so far fits; fails when it ends before. */
  until(condition: (lines: readonly string[]) => boolean): Promise<readonly string[]>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

let program: string | undefined;

/** Tests run on the sources, so the program is put together once for each suite. */
function build(): string {
  program ??= buildSync({
    entryPoints: [join(__dirname, 'contract-process.ts')],
    write: false,
    bundle: true,
    platform: 'node',
    conditions: ['@lastcall/source'],
  }).outputFiles[0]?.text;
  return program ?? '';
}

export function startContractProcess(
  options: Omit<BusOptions, 'log' | 'clock'>,
  orders: ContractProcessOrders,
): ContractProcess {
  const args = ['--disable-warning=ExperimentalWarning', '-', JSON.stringify(options), JSON.stringify(orders)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit', 'ipc'] });
  child.stdin?.end(build());
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines: string[] = [];
  const looks = new Set<() => void>();
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    for (const look of looks) look();
  });
  return {
    until: async (condition) => {
      const fits = new Promise<void>((resolve) => {
        const look = (): void => (condition(lines) ? resolve() : undefined);
        looks.add(look);
        look();
      });
      await Promise.race([fits, exited.then(() => Promise.reject(new Error(`ended early: ${lines.join(', ')}`)))]);
      return lines;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
