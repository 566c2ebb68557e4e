import { Fault, type Rejected } from '@lastcall/kernel';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BackUpOptions } from './back-up.js';

/*
 * A backup beside everything else that a process does: checking the copy of a large database takes seconds in which nothing else of its
 * thread has a turn. The thread dies with the process.
 */

export interface Taken {
  readonly bytes: number;
  readonly files: number;
}

/** An aborted one is left as a crash would leave it. */
export async function backUpInThread(options: BackUpOptions, signal: AbortSignal): Promise<Taken | Rejected> {
  const worker = new Worker(join(__dirname, 'back-up-thread.js'), { workerData: options });
  try {
    const ended = once(worker, 'exit', { signal }).then((): never => {
      throw new Fault('the thread of the backup ended without an answer');
    });
    // It ends after its answer, too.
    ended.catch(() => undefined);
    const [answer] = (await Promise.race([once(worker, 'message', { signal }), ended])) as [Taken | Rejected];
    return answer;
  } finally {
    await worker.terminate();
  }
}
