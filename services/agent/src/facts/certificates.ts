import { readTlsFiles } from '@lastcall/sdk';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { CertificateFact } from '../domain/order.js';
import type { HostRecord } from '../host-record.js';
import type { HostTlsFiles } from '../host-tls.js';
import { messageOf } from '../log.js';
import { Interrupted } from '../step-failure.js';

/*
 * The certificates that this host depends on to reach the services: theirs, as they show it now, the authority that the host was
 * given, and its own where it has one. When one of them ends, so does everything that the host is told. None where the line is plain text.
 */

const TIMEOUT_MS = 3_000;

type Of = Pick<HostRecord, 'address'> & HostTlsFiles;

export async function certificatesOf(record: Of, signal: AbortSignal): Promise<readonly CertificateFact[]> {
  if (record.tlsCaFile === '' || record.address === '') return [];
  const fact = async (whose: string, expiresAt: () => Promise<number>): Promise<CertificateFact> => {
    try {
      return { whose, expiresAt: await expiresAt(), why: '' };
    } catch (error) {
      if (signal.aborted) throw new Interrupted();
      return { whose, why: messageOf(error) };
    }
  };
  const { tlsCertFile: own } = record;
  return Promise.all([
    fact('services', () => shownBy(record, signal)),
    fact('authority', async () => endOf(new X509Certificate(await readFile(record.tlsCaFile)))),
    ...(own ? [fact('host', async () => endOf(new X509Certificate(await readFile(own))))] : []),
  ]);
}

async function shownBy({ address, tlsCaFile, tlsCertFile, tlsKeyFile }: Of, signal: AbortSignal): Promise<number> {
  const { ca, cert, key } = readTlsFiles({ ca: tlsCaFile, cert: tlsCertFile, key: tlsKeyFile });
  const { hostname, port } = new URL(`https://${address}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const named = isIP(host) === 0 ? { servername: host } : {};
    const socket = connect({ host, port: Number(port || 443), ca, cert, key, ALPNProtocols: ['h2'], ...named });
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const give = (end: () => void): void => {
      limit.removeEventListener('abort', onLimit);
      socket.destroy();
      end();
    };
    const onLimit = (): void => give(() => reject(new Error(`${address} did not answer within ${TIMEOUT_MS} ms`)));
    limit.addEventListener('abort', onLimit, { once: true });
    socket.once('error', (error: Error) => give(() => reject(error)));
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate();
      give(() => (shown ? resolve(endOf(shown)) : reject(new Error(`${address} showed no certificate`))));
    });
  });
}

function endOf({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}
