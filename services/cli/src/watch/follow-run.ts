import type { schedulerV1 } from '@lastcall/contracts';
import { backoffMs } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import { setTimeout as delay } from 'node:timers/promises';
import type { Services } from '../connect.js';
import { outcomeWord } from '../render/words.js';

/** How long the scheduler may be away before a watcher gives up. */
const PATIENCE_MS = 120_000;
/** The stream ended cleanly, and yet the run has not: some proxy's doing. */
const AGAIN_MS = 200;

/** The run now and after each change, to its end; a scheduler that restarts meanwhile is waited for. */
export async function* followRun(services: Services, name: string): AsyncIterable<schedulerV1.Run> {
  let lastHeardAt = Date.now();
  for (let attempt = 1; ; attempt++) {
    try {
      for await (const { run } of services.scheduler.watchRun({ name })) {
        if (!run) continue;
        lastHeardAt = Date.now();
        attempt = 1;
        yield run;
        if (hasEnded(run)) return;
      }
    } catch (error) {
      const mayPass = error instanceof CallError && (error.code === CODE.unavailable || error.code === CODE.cancelled);
      if (!mayPass || Date.now() - lastHeardAt > PATIENCE_MS) throw error;
    }
    await delay(AGAIN_MS + backoffMs(attempt, Math.random(), 100, 3_000));
  }
}

export function hasEnded(run: schedulerV1.Run): boolean {
  return outcomeWord(run.outcome) !== '' || run.phase === 'ended';
}
