import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * A command outlives an agent that is killed. Before its step is repeated it has to be gone, or the same migration would run twice at
 * once. It is found by a mark in its environment, which its children inherit: no record that could be lost between two
 * writes. Linux only; elsewhere processes do not show their environment and the repetition relies on the command.
 */

export const MARK = 'LASTCALL_COMMAND';

/** The mark of one step of one order. */
export function markOf(order: string, step: string): string {
  return `${order}/${step}`;
}

/** Ends every process with this mark and resolves when they are gone. Answers how many there were. */
export async function endLeftOvers(mark: string, proc = '/proc'): Promise<number> {
  if (process.platform !== 'linux') return 0;
  const found = new Set<number>();
  // Again until none is left: one of them may just have started another.
  for (let round = 0; ; round++) {
    const pids = findMarked(mark, proc);
    if (pids.length === 0) return found.size;
    if (round > 200) throw new Error(`processes ${pids.join(', ')} of ${mark} cannot be ended`);
    for (const pid of pids) {
      found.add(pid);
      kill(pid);
    }
    await delay(25);
  }
}

function findMarked(mark: string, proc: string): number[] {
  const wanted = Buffer.from(`${MARK}=${mark}\0`);
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => environmentOf(`${proc}/${name}`)?.includes(wanted))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

function environmentOf(dir: string): Buffer | undefined {
  try {
    return readFileSync(`${dir}/environ`);
  } catch {
    return undefined; // Gone meanwhile, or not ours.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone meanwhile.
  }
}
