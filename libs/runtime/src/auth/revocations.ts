import { systemClock, type Clock } from '@lastcall/kernel';
import type { Bus, Subscription } from '@lastcall/bus';
import { revocationsTopic, type ServiceName } from '@lastcall/contracts';
import { pagesOf, type Collection, type Store } from '@lastcall/store';
import type { LifecyclePart } from '../lifecycle.js';
import type { Logger } from '../logging.js';
import { createPoller, type Timers } from '../duties/timers.js';

/*
 * Revoked credentials, remembered until they would have expired by themselves. The mark is in the service's store; every
 * replica has all of them in memory, learns of new ones by a broadcast, and looks every few seconds in case it missed one.
 */

export interface Revocations extends LifecyclePart {
  isRevoked(token: string): boolean;
  /** Resolves when the mark is durable. Idempotent. */
  revoke(token: string, expiresAt: number): Promise<void>;
  /** Reads marks of other replicas. */
  refresh(): Promise<void>;
}

interface RevokedToken {
  readonly revokedAt: number;
  readonly expiresAt: number;
}

const POLL_EVERY_MS = 3_000;
/** Marks written while another replica read; clocks of writers differ by less. */
const OVERLAP_MS = 60_000;
const PAGE = 1_000;

export interface RevocationsOptions {
  readonly store: Store;
  readonly bus: Bus;
  readonly service: ServiceName;
  readonly log: Logger;
  readonly timers: Timers;
  readonly clock?: Clock;
}

export async function createRevocations(options: RevocationsOptions): Promise<Revocations> {
  const { store, bus, log, timers } = options;
  const topic = revocationsTopic(options.service);
  const clock = options.clock ?? systemClock;
  const documents = await openRevokedTokens(store);
  const marks = new Map<string, number>();
  let seenUntil = 0;
  let listening: Subscription | undefined;

  async function refresh(): Promise<void> {
    const newest = await readSince(documents, Math.max(0, seenUntil - OVERLAP_MS), marks);
    seenUntil = Math.max(seenUntil, newest);
    await forgetExpired(documents, marks, clock.now());
  }
  const poller = createPoller({ timers, everyMs: POLL_EVERY_MS, log, name: 'revocations', run: refresh });

  return {
    name: 'revocations',
    isRevoked: (token) => marks.has(token),
    refresh,
    revoke: async (token, expiresAt) => {
      await documents.change(token, (current, { now }) =>
        current ? { keep: undefined } : { write: { revokedAt: now, expiresAt }, result: undefined },
      );
      marks.set(token, expiresAt);
      // The others find it within seconds when the broadcast is lost.
      await bus.broadcast(topic, new Uint8Array()).catch((error: unknown) => log.warn({ err: error }, 'no broadcast'));
    },
    start: async () => {
      await refresh();
      listening = await bus.listen(topic, () => poller.wake());
      poller.start();
    },
    stop: async () => {
      await listening?.stop();
      await poller.stop();
    },
  };
}

function openRevokedTokens(store: Store): Promise<Collection<RevokedToken>> {
  return store.collection<RevokedToken>({
    name: 'revoked_tokens',
    fields: ({ revokedAt, expiresAt }) => ({ revokedAt, expiresAt }),
    indexes: [
      { name: 'revoked', fields: ['revokedAt'] },
      { name: 'expires', fields: ['expiresAt'] },
    ],
  });
}

/** Puts what is new into `marks`; answers the time of the newest mark. */
async function readSince(
  documents: Collection<RevokedToken>,
  from: number,
  marks: Map<string, number>,
): Promise<number> {
  let newest = 0;
  const query = { index: 'revoked', range: { field: 'revokedAt', from }, limit: PAGE };
  for await (const page of pagesOf(documents, query)) {
    for (const { id, data } of page) {
      marks.set(id, data.expiresAt);
      newest = Math.max(newest, data.revokedAt);
    }
  }
  return newest;
}

/** An hour after its expiry, so that no clock is far enough behind to let it in. */
const FORGET_AFTER_MS = 3_600_000;

async function forgetExpired(
  documents: Collection<RevokedToken>,
  marks: Map<string, number>,
  now: number,
): Promise<void> {
  const below = now - FORGET_AFTER_MS;
  const expired = [...marks].filter(([, expiresAt]) => expiresAt < below).map(([token]) => token);
  if (expired.length === 0) return;
  await documents.removeMany(expired.slice(0, PAGE));
  for (const token of expired.slice(0, PAGE)) marks.delete(token);
}
