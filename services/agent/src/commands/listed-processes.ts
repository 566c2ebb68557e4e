import { setTimeout as delay } from 'node:timers/promises';
import type { LeftOver } from '../domain/order.js';
import type { Platform, RunningProcess } from '../platform/port.js';
import { throwIfStopping } from '../step-failure.js';

/*
 * Processes below a folder where the system lists them with their executable and shows no more (Windows, macOS). A pid may have another owner a
 * moment later, so it is the same process only as long as the list has it with the same executable. Windows knows no asking: there
 * SIGTERM ends.
 */

export interface Listed {
  readonly ended: readonly LeftOver[];
  readonly remaining: readonly { readonly pid: number; readonly command: string }[];
}

/** Listing takes a program of the system. */
const LOOK_EVERY_MS = 250;

export async function endListed(
  platform: Pick<Platform, 'processes' | 'system'>,
  folder: string,
  graceMs: number,
  signal: AbortSignal,
): Promise<Listed> {
  const found = below(await platform.processes(signal), folder, platform.system);
  const deaf = await endAfter(platform, found, 'SIGTERM', graceMs, signal);
  const remaining = await endAfter(platform, deaf, 'SIGKILL', graceMs, signal);
  const ended = found
    .filter((one) => !remaining.includes(one))
    .map(({ pid, executable }): LeftOver => {
      const how = deaf.some((one) => one.pid === pid) ? 'killed' : 'asked';
      return { pid, command: executable, foundBy: `executable ${executable}`, ended: how };
    });
  return { ended, remaining: remaining.map(({ pid, executable }) => ({ pid, command: executable })) };
}

/** Without this process and those that it was started by. */
function below(all: readonly RunningProcess[], folder: string, system: NodeJS.Platform): RunningProcess[] {
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const family = new Set<number>();
  for (let pid = process.pid; pid > 0 && !family.has(pid); pid = parents.get(pid) ?? 0) family.add(pid);
  // Names of Windows have no case.
  const plain = (path: string): string => (system === 'win32' ? path.toLowerCase() : path);
  return all.filter(({ pid, executable }) => !family.has(pid) && plain(executable).startsWith(plain(folder)));
}

/** Those that are still there when the time is over. */
async function endAfter(
  platform: Pick<Platform, 'processes'>,
  found: readonly RunningProcess[],
  by: NodeJS.Signals,
  graceMs: number,
  signal: AbortSignal,
): Promise<readonly RunningProcess[]> {
  for (const { pid } of found) kill(pid, by);
  const until = Date.now() + graceMs;
  let alive = found;
  while (alive.length > 0) {
    const all = await platform.processes(signal);
    alive = alive.filter(({ pid, executable }) => all.some((p) => p.pid === pid && p.executable === executable));
    if (alive.length === 0 || Date.now() >= until) break;
    throwIfStopping(signal);
    await delay(LOOK_EVERY_MS);
  }
  return alive;
}

function kill(pid: number, by: NodeJS.Signals): void {
  try {
    process.kill(pid, by);
  } catch {
    // Gone meanwhile, or somebody else's: then it remains and is reported.
  }
}
