import { Fault, reject, RejectedError, SECOND_MS, sha256Hex } from '@lastcall/kernel';
import { CallError } from '@lastcall/sdk';
import { setTimeout as delay } from 'node:timers/promises';
import { lineError, openHostChannel } from './host-channel.js';
import { hasServices, readHostRecord } from './host-record.js';
import { createCredential, openKeyRing, type KeyRing } from './identity.js';
import { rotateKey } from './key-rotation.js';
import { layoutOf, makeFolders, type Layout } from './layout.js';
import { tryLock } from './lock.js';

/*
 * A new key because somebody wants one. Only who has the lock changes keys: an agent that runs is asked to, by a file.
 */

/** An agent that runs looks every ten seconds, and not while it works on an order. */
const WAIT_MS = 60 * SECOND_MS;

/** Answers the fingerprint of the key that is current then. */
export async function rotateKeyHere(dataDir: string): Promise<string> {
  const layout = layoutOf(dataDir);
  const record = readHostRecord(layout);
  if (!hasServices(record)) {
    throw new RejectedError(reject('refused', 'NO_SERVICES', 'this seat has no services that know its key'));
  }
  makeFolders(layout);
  const held = tryLock(layout);
  const ring = openKeyRing(layout);
  if (!held) return askAgent(layout, ring);
  const channel = openHostChannel(record, createCredential(ring, record.installation, record.host));
  try {
    await rotateKey(ring, channel);
    return fingerprintOf(ring);
  } catch (error) {
    throw error instanceof CallError ? lineError(channel, error) : error;
  } finally {
    channel.close();
    held.release();
  }
}

async function askAgent(layout: Layout, before: KeyRing): Promise<string> {
  before.ask();
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await delay(200)) {
    const now = fingerprintOf(openKeyRing(layout));
    if (now !== fingerprintOf(before)) return now;
  }
  const message = 'the agent that runs here was asked and has not done it yet: it does when it is connected and idle';
  throw new Fault(`${message}; its log says why not`);
}

function fingerprintOf({ current }: KeyRing): string {
  return sha256Hex(current.publicKey);
}
