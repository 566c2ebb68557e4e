import { Fault } from '@lastcall/kernel';
import { followTlsFiles, openChannel, TlsFileError, type Channel, type ChannelTls } from '@lastcall/sdk';
import { trustAuthority } from './authority.js';
import type { HostRecord } from './host-record.js';

/*
 * To the services, as the record of this host says. The authority may be replaced in its file: what is connected then believes the new one, over gRPC and to
 * the catalog; what is connected already goes on.
 */

export interface HostChannel extends Channel {
  /** Connections to the catalog believe what is in the file now; those of the channel look for themselves. */
  lookAtAuthority(): void;
}

export function openHostChannel(
  { address, tlsCaFile }: Pick<HostRecord, 'address' | 'tlsCaFile'>,
  credential: () => string,
): HostChannel {
  const tls = tlsCaFile === '' ? undefined : followAuthority(tlsCaFile);
  return { ...openChannel({ address, credential, tls }), lookAtAuthority: () => void tls?.() };
}

function followAuthority(ca: string): () => ChannelTls {
  const current = readable(ca);
  let trusted: ChannelTls | undefined;
  return () => {
    const tls = current();
    if (tls !== trusted) trustAuthority(tls.ca?.toString() ?? '');
    trusted = tls;
    return tls;
  };
}

function readable(ca: string): () => ChannelTls {
  try {
    return followTlsFiles({ ca });
  } catch (cause) {
    if (!(cause instanceof TlsFileError)) throw cause;
    throw new Fault(`the authority (--tls-ca, tlsCaFile) is ${cause.message}`, { cause });
  }
}
