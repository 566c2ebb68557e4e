import type { PackedBlob, TreeEntry } from '@lastcall/contracts';
import { openConnections } from '../blobs/http-get.js';
import { fetchBlob } from '../blobs/fetch-blob.js';
import { fetchRun } from '../blobs/fetch-run.js';
import { isOurs } from '../blobs/our-errors.js';
import type { Pace } from '../blobs/byte-source.js';
import type { Transfer } from '../blobs/transfer.js';

/*
 * Another host of the installation, asked before the catalog is. Nothing of it is believed: its blobs are hashed like those of the catalog, and it never
 * sees a credential. What it does not give, the catalog does. So all that it can do is to be slow, and that is bounded: less than 16 KiB/s on a connection
 * counts as nothing, after three answers that were none it is not asked any more in this download, and after a large file with other bytes at once.
 */

export interface Peer {
  /** Whether the blob is here now. */
  blob(entry: TreeEntry): Promise<boolean>;
  /** Neighbours of the pack that are still lacking after it was asked. */
  run(blobs: readonly PackedBlob[]): Promise<readonly PackedBlob[]>;
  close(): void;
}

const PEER_PACE: Pace = { stalledMs: 15_000, minBytes: 240 * 1024 };
const STRIKES = 3;

/** `url`: `http://host:port`. */
export function openPeer(url: string, of: Transfer): Peer {
  const connections = openConnections(of.pace ?? PEER_PACE);
  const transfer: Transfer = {
    ...of,
    catalogUrl: `${url}/trees/${of.treeSha256}`,
    credential: () => '',
    connections,
  };
  let strikes = 0;
  /** Answers whether it gave everything. */
  const ask = async (attempt: () => Promise<'complete' | 'changed' | 'no-pack'>): Promise<boolean> => {
    if (strikes >= STRIKES) return false;
    try {
      const outcome = await attempt();
      if (outcome !== 'complete') strikes += outcome === 'changed' ? STRIKES : 1;
      return outcome === 'complete';
    } catch (error) {
      if (of.signal.aborted || isOurs(error)) throw error;
      strikes += 1;
      return false;
    }
  };
  return {
    blob: (entry) => ask(() => fetchBlob(entry, transfer)),
    run: async (blobs) => {
      let left = blobs;
      await ask(() => fetchRun(left, transfer, (done) => (left = left.slice(left.indexOf(done) + 1))));
      return left;
    },
    close: () => connections.close(),
  };
}
