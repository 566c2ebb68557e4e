import { catalogV1, formatName } from '@lastcall/contracts';
import { reject, RejectedError, SECOND_MS } from '@lastcall/kernel';
import { createClient, type Channel } from '@lastcall/sdk';
import { createOrderBook } from '../domain/order-book.js';
import { hasServices, readHostRecord, type HostRecord } from '../host-record.js';
import { lineError, openHostChannel } from '../host-channel.js';
import { createCredential, openKeyRing } from '../identity.js';
import { readJournal } from '../journal.js';
import { layoutOf } from '../layout.js';
import { demandCommandUser } from '../platform/command-user.js';
import { openTrustedState } from '../tuf/trusted-state.js';
import { AGENT_VERSION } from '../version.js';

/*
 * What a new agent shows before anything is entrusted to it, beside the one that works: that it starts here, reads with its own code what this
 * host has, and reaches the services as this host. It takes no lock, opens no stream and writes nothing.
 */

export interface TriedOut {
  readonly agentVersion: string;
  readonly fence: number;
  /** In the journal. */
  readonly orders: number;
}

const CALL_MS = 10 * SECOND_MS;

export async function tryOut(dataDir: string): Promise<TriedOut> {
  const layout = layoutOf(dataDir);
  const record = readHostRecord(layout);
  demandCommandUser();
  openTrustedState(layout.tuf).load();
  const book = readJournal(layout.journal, createOrderBook(record));
  const credential = createCredential(openKeyRing(layout), record.installation, record.host);
  if (!hasServices(record)) {
    const message = 'this seat has no services; its agent comes with the application';
    throw new RejectedError(reject('refused', 'NO_SERVICES', message));
  }
  const channel = openHostChannel(record, credential);
  try {
    await reachServices(channel, record);
  } catch (error) {
    throw lineError(channel, error);
  } finally {
    channel.close();
  }
  return { agentVersion: AGENT_VERSION, fence: book?.fence ?? 0, orders: book?.orders.size ?? 0 };
}

/** A call that every agent may make; it shows that address, certificates and credential are understood. */
async function reachServices(channel: Channel, { installation }: HostRecord): Promise<void> {
  const catalog = createClient(catalogV1.CatalogServiceService, channel);
  await catalog.getInstallation({ name: formatName('installation', { installation }) }, { timeoutMs: CALL_MS });
}
