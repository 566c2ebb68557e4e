import { backoffMs } from '@lastcall/kernel';
import type { MongoClient } from 'mongodb';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * The driver looks at its server every few seconds. When that look begins in the moment between the end of its connection and
 * the news of it, it waits for ever for room in a socket that is gone (`Connection.writeCommand`, driver 7.9.0; half of all
 * cuts under load where the server does not push its state). The driver takes the server for unknown from then on, however well it
 * is. So a look that does not end in time makes the client be opened anew; what was under way fails and is repeated.
 */

export interface StuckHeartbeats {
  /** Resolves when the client is nobody's but the caller's. */
  stop(): Promise<void>;
}

/** Needs what MongoClient has; a test brings its own. */
export type WatchedClient = Pick<MongoClient, 'on' | 'close'> & { connect(): Promise<unknown> };

export function reopenWhenStuck(client: WatchedClient, stuckAfterMs: number): StuckHeartbeats {
  const stopped = new AbortController();
  const looks = new Map<string, NodeJS.Timeout>();
  let reopening: Promise<void> | undefined;
  const ended = ({ connectionId }: { readonly connectionId: string }): void => {
    clearTimeout(looks.get(connectionId));
    looks.delete(connectionId);
  };
  const endAll = (): void => {
    for (const connectionId of looks.keys()) ended({ connectionId });
  };
  const reopen = (): void => {
    reopening ??= openAnew(client, stopped.signal).finally(() => {
      reopening = undefined;
    });
  };
  client.on('serverHeartbeatStarted', ({ connectionId }) => {
    ended({ connectionId });
    if (!stopped.signal.aborted) looks.set(connectionId, setTimeout(reopen, stuckAfterMs).unref());
  });
  client.on('serverHeartbeatSucceeded', ended).on('serverHeartbeatFailed', ended).on('topologyClosed', endAll);
  return {
    stop: async () => {
      stopped.abort();
      endAll();
      await reopening;
    },
  };
}

async function openAnew(client: WatchedClient, signal: AbortSignal): Promise<void> {
  // Whatever cannot be closed any more is not needed any more either.
  await client.close().catch(() => undefined);
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      await client.connect();
      return;
    } catch {
      // Whoever uses the store meanwhile is told why; here it only has to be tried again.
      await delay(backoffMs(failures, Math.random(), 100, 2_000), undefined, { signal }).catch(() => undefined);
    }
  }
}
