import { DEFECT_STATUS, EXIT, FAULT_STATUS } from '@lastcall/contracts';
import { Fault, invalid, isRejected, RejectedError, type Rejected } from '@lastcall/kernel';
import { createLogger } from './logging.js';
import type { AnyServiceModule } from './service.js';
import { readSettings, type ProcessSettings } from './settings/index.js';
import { startProcess, type RunningProcess } from './start-process.js';

/*
 * A service as a program: settings from the environment and from options (`--grpc-address host:port`), stop by SIGTERM or
 * SIGINT, exit codes of the status table.
 */

/** Runs until it is told to stop. Never rejects. */
export async function main(module: AnyServiceModule, args: readonly string[] = process.argv.slice(2)): Promise<void> {
  const settings = readProgramSettings(module, args);
  if (isRejected(settings)) return end(settings.message, EXIT.usage);
  const log = createLogger(settings.common.logLevel);
  try {
    const signal = nextSignal();
    const running = await startProcess({ modules: [module], settings, log });
    log.info({ signal: await signal }, 'stopping');
    await stopOrBeCut(running);
    process.exitCode = EXIT.done;
  } catch (error) {
    log.fatal({ err: error }, `${module.name} does not start`);
    end(error instanceof Error ? error.message : String(error), exitCodeOf(error));
  }
}

function readProgramSettings(module: AnyServiceModule, args: readonly string[]): ProcessSettings | Rejected {
  const options = parseOptions(args);
  return isRejected(options) ? options : readSettings({ modules: [module], options });
}

/** `--foo-bar value` and `--foo-bar=value`. */
export function parseOptions(args: readonly string[]): Record<string, string> | Rejected {
  const options: Record<string, string> = {};
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const match = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(arg);
    const value = match && (match[2] ?? rest.shift());
    if (!match?.[1] || value === undefined || value === null) {
      return invalid([{ field: arg, description: 'is no option with a value; write --setting value' }]);
    }
    options[match[1].replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())] = value;
  }
  return options;
}

/** The first SIGTERM or SIGINT. A second one ends the process at once: whoever sends it does not want to wait. */
export function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first = true;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (!first) process.exit(EXIT.failed);
        first = false;
        resolve(signal);
      });
    }
  });
}

async function stopOrBeCut(running: RunningProcess): Promise<void> {
  await running.stop();
  // A handle that somebody forgot must not keep a stopped program alive.
  setTimeout(() => process.exit(EXIT.done), 1_000).unref();
}

function exitCodeOf(error: unknown): number {
  if (error instanceof RejectedError) return EXIT.usage;
  return error instanceof Fault ? FAULT_STATUS.exit : DEFECT_STATUS.exit;
}

function end(message: string, exitCode: number): void {
  process.stderr.write(`${message}\n`);
  process.exit(exitCode);
}
