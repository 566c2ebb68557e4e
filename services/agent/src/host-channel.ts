import { openChannel, type Channel } from '@lastcall/sdk';
import type { HostRecord } from './host-record.js';
import { openHostTls, type HostTls, type HostTlsFiles } from './host-tls.js';
import type { Log } from './log.js';

/* To the services, as the record of this host says. */

export interface HostChannel extends Channel {
  /** For the other lines of this host; whoever asks has its files looked at. Undefined: plain text. */
  readonly tls: HostTls | undefined;
}

export function openHostChannel(
  record: Pick<HostRecord, 'address'> & HostTlsFiles,
  credential: () => string,
  log?: Log,
): HostChannel {
  const tls = openHostTls(record, log);
  return { ...openChannel({ address: record.address, credential, tls }), tls };
}
