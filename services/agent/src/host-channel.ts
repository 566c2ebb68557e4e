import { openChannel, type Channel } from '@lastcall/sdk';
import { readFileSync } from 'node:fs';
import { trustAuthority } from './authority.js';
import type { HostRecord } from './host-record.js';

/** To the services, as the record of this host says. */
export function openHostChannel(record: HostRecord, credential: () => string): Channel {
  const tls = record.tlsCaFile === '' ? undefined : { ca: readFileSync(record.tlsCaFile) };
  if (tls) trustAuthority(tls.ca.toString());
  return openChannel({ address: record.address, credential, tls });
}
