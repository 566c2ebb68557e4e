import { hostEdgeV1 } from '@lastcall/contracts';
import { DAY_MS, MINUTE_MS, sha256Hex } from '@lastcall/kernel';
import { createClient, toCallError, type Channel } from '@lastcall/sdk';
import type { KeyRing } from './identity.js';
import type { Log } from './log.js';

/*
 * One key of this host follows the other: the next one is on the disk before the services hear of it, they accept both from then on, it becomes the
 * current one here, and the stream that is opened with it then ends the one before. Whatever dies in between, the key that is current here is
 * one that they accept, and what was begun goes on at the next start.
 */

export interface KeyRotation {
  /** Begins when it is time and nothing else is being done. */
  look(): void;
  /** Waits for what is under way. */
  stop(): Promise<void>;
}

export interface KeyRotationOptions {
  readonly ring: KeyRing;
  readonly channel: Channel;
  /** Age at which a key is followed by another one; 0: never by itself. */
  readonly maxAgeMs?: number | undefined;
  /** The catalog hears of a new key a moment later than the edge: nothing should be about to ask it. */
  readonly isIdle: () => boolean;
  /** Another key is current. */
  readonly onFollowed: () => void;
  readonly log: Log;
}

export const KEY_MAX_AGE_MS = 90 * DAY_MS;
/** After a failure; services that are older than this agent do not know of it at all. */
const RETRY_MS = 10 * MINUTE_MS;

export function createKeyRotation(options: KeyRotationOptions): KeyRotation {
  const { ring, channel, maxAgeMs = KEY_MAX_AGE_MS, log } = options;
  let notBefore = 0;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    try {
      await rotateKey(ring, channel);
      log.info('this host has another key', { fingerprint: sha256Hex(ring.current.publicKey) });
      options.onFollowed();
    } catch (error) {
      const { code, reason, message } = toCallError(error);
      log.warn('this host keeps its key for now', { code, reason, message });
      notBefore = Date.now() + RETRY_MS;
    }
  }
  return {
    look: () => {
      if (running || Date.now() < notBefore || !ring.isDue(maxAgeMs) || !options.isIdle()) return;
      running = run().finally(() => (running = undefined));
    },
    stop: async () => running,
  };
}

/** Says the next key with the current one, and makes it the current one when the services have it. Safe to repeat after a crash. */
export async function rotateKey(ring: KeyRing, channel: Channel): Promise<void> {
  const { publicKey } = ring.next();
  await createClient(hostEdgeV1.HostEdgeServiceService, channel).rotateKey({ publicKey: Buffer.from(publicKey) });
  await ring.follow(publicKey);
}
