import { CallError, CODE, openChannel, toCallError, type Channel } from '@lastcall/sdk';
import type { HostRecord } from './host-record.js';
import { openHostTls, type HostTls, type HostTlsFiles } from './host-tls.js';
import type { Log } from './log.js';

/* To the services, as the record of this host says. */

export interface HostChannel extends Channel {
  /** Of all lines of this host to the services. Undefined: plain text. */
  readonly tls: HostTls | undefined;
}

export function openHostChannel(
  record: Pick<HostRecord, 'address'> & HostTlsFiles,
  credential: () => string,
  log?: Log,
): HostChannel {
  const tls = openHostTls(record, log);
  const channel = openChannel({ address: record.address, credential, tls: tls && (() => tls.current()) });
  return { ...channel, tls };
}

/** The call error of something that failed on this channel; where there was no line, it says what is known about that. */
export function lineError({ tls }: HostChannel, error: unknown): CallError {
  const failed = toCallError(error);
  if (!tls || failed.code !== CODE.unavailable) return failed;
  return new CallError(failed.code, tls.explain(failed.message), failed, { cause: failed });
}
