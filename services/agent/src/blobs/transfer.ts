import type { TreeEntry } from '@lastcall/contracts';
import type { HostTls } from '../host-tls.js';
import type { BlobStore } from './blob-store.js';
import type { Pace } from './byte-source.js';
import type { Connections } from './http-get.js';
import type { RateLimit } from './rate-limit.js';

export interface DownloadOptions {
  readonly blobs: BlobStore;
  readonly catalogUrl: string;
  readonly credential: () => string;
  /** What the catalog is shown under HTTPS. */
  readonly tls?: HostTls | undefined;
  /** Another host of the installation that is asked first, `http://host:port`. */
  readonly peerUrl?: string;
  /** Name of the pack. */
  readonly treeSha256: string;
  /** All files of the tree, in its order. */
  readonly files: readonly TreeEntry[];
  readonly limit: RateLimit;
  readonly signal: AbortSignal;
  /** Called with the bytes that have just arrived; negative when some are thrown away. */
  readonly onBytes: (bytes: number) => void;
  /** How often without a single new byte before it gives up. Default: for two minutes. */
  readonly attempts?: number;
  readonly pace?: Pace;
}

/** What the parts of one download share. */
export interface Transfer extends DownloadOptions {
  readonly connections: Connections;
  readonly packBytes: number;
}
