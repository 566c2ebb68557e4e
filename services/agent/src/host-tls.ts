import { Fault } from '@lastcall/kernel';
import { readTlsFiles, TlsFileError, type ChannelTls } from '@lastcall/sdk';
import { X509Certificate } from 'node:crypto';
import { trustAuthority } from './authority.js';
import type { HostRecord } from './host-record.js';
import type { Log } from './log.js';

/*
 * What this host believes and shows on its lines to the services, over gRPC and HTTPS: the authority that it was given, and a certificate of its own where
 * they ask for one. Whoever renews the files does it while the agent works: they are looked at for each connection. What cannot be used stays out of
 * use, and is said once; the start fails instead. The certificate opens the door; who the host is says its credential alone.
 */

export interface HostTls {
  /** PEM, as the files are now; as they were last while they cannot be used. */
  current(): ChannelTls;
  /** What a line failed with, and what it means where services hang up on whoever does not show what they want to see. */
  explain(message: string): string;
}

/** PEM files. */
export type HostTlsFiles = Pick<HostRecord, 'tlsCaFile' | 'tlsCertFile' | 'tlsKeyFile'>;

const SETTING_OF = {
  ca: 'the authority (--tls-ca, tlsCaFile)',
  cert: 'the certificate of this host (--tls-cert, tlsCertFile)',
  key: 'the key of that certificate (--tls-key, tlsKeyFile)',
} as const;

/** Undefined: plain text. Throws a Fault that names the file which cannot be used. */
export function openHostTls(record: HostTlsFiles, log?: Log): HostTls | undefined {
  demandWhole(record);
  if (record.tlsCaFile === '') return undefined;
  const files = { ca: record.tlsCaFile, cert: record.tlsCertFile, key: record.tlsKeyFile };
  let tls = atStart(() => readTlsFiles(files));
  let said = '';
  const say = (problem: string): void => {
    if (problem !== '' && problem !== said) log?.warn('certificates of this host', { problem });
    said = problem;
  };
  const use = (next: ChannelTls): void => {
    tls = next;
    trustAuthority(next.ca?.toString() ?? '');
  };
  const look = (): void => {
    try {
      const next = readTlsFiles(files, tls);
      if (next !== tls) log?.info('new connections use the changed certificates', { endsAt: endOf(next), ...files });
      if (next !== tls) use(next);
      say(endedProblem(files.cert, next));
    } catch (error) {
      say(`${problemOf(error)}; what was there before stays in use`);
    }
  };
  use(tls);
  return {
    current: () => {
      look();
      return tls;
    },
    explain: (message) => explained(message, record),
  };
}

/** For a connection that believes what `trustAuthority` was told; the system's own authorities stay, the catalog may have an edge of its own. */
export function shownBy(tls: HostTls | undefined): Pick<ChannelTls, 'cert' | 'key'> {
  const { cert, key } = tls?.current() ?? {};
  return cert && key ? { cert, key } : {};
}

/** One alone would be passed over without a word. */
function demandWhole({ tlsCaFile, tlsCertFile = '', tlsKeyFile = '' }: HostTlsFiles): void {
  if (tlsCertFile === '' && tlsKeyFile === '') return;
  if (tlsCertFile === '') throw new Fault(`${SETTING_OF.cert} is missing: a key was given without it`);
  if (tlsKeyFile === '') throw new Fault(`${SETTING_OF.key} is missing: name its file beside ${tlsCertFile}`);
  if (tlsCaFile === '') throw new Fault(`${SETTING_OF.ca} is missing: without it the line is plain text`);
}

function atStart(read: () => ChannelTls): ChannelTls {
  try {
    return read();
  } catch (cause) {
    throw new Fault(problemOf(cause), { cause });
  }
}

/** Throws what is a mistake of ours. */
function problemOf(error: unknown): string {
  if (!(error instanceof TlsFileError)) throw error;
  return `${SETTING_OF[error.field]} is ${error.message}`;
}

function endOf({ cert }: ChannelTls): Date | undefined {
  return cert && new Date(new X509Certificate(cert).validTo);
}

/** What is in use is not looked at again; servers hang up on one that has ended, without a word. */
function endedProblem(path: string | undefined, tls: ChannelTls): string {
  const end = endOf(tls);
  if (!end || end.getTime() > Date.now()) return '';
  return `${SETTING_OF.cert} is ${path}, which has expired (${end.toISOString()}); renew it`;
}

/** In TLS 1.3 a server that asks for a certificate says so when none comes, and hangs up on one of a stranger: Node's servers send no reason. */
function explained(message: string, { tlsCertFile = '' }: HostTlsFiles): string {
  if (tlsCertFile === '') {
    if (!/certificate required|handshake failure/i.test(message)) return message;
    return `the services ask for a client certificate and this host showed none: give it one (--tls-cert and --tls-key, or tlsCertFile and tlsKeyFile in agent.json). ${message}`;
  }
  if (!/failed to connect|hang up|ECONNRESET|connection was closed/i.test(message)) return message;
  return `${message}. If the services are there, they hang up on the certificate that this host shows (${tlsCertFile}): it has to be of an authority that they trust, and must not have expired`;
}
