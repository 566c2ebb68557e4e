import { Fault } from '@lastcall/kernel';
import type { ChannelTls } from '@lastcall/sdk';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { variableOf, type CommonSettings } from './settings/index.js';

/** PEM bytes of this process's certificate, its key, and whom it trusts. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly clientCerts: CommonSettings['tlsClientCerts'];
}

type TlsSettings = Pick<CommonSettings, 'tlsCertFile' | 'tlsKeyFile' | 'tlsCaFile' | 'tlsClientCerts'>;

/** What the servers of this process show; undefined: plain text. */
export async function readServerTls(settings: TlsSettings): Promise<TlsFiles | undefined> {
  if (settings.tlsCertFile === '') return undefined;
  const [cert, key, ca] = await Promise.all([
    readPem('tlsCertFile', settings.tlsCertFile),
    readPem('tlsKeyFile', settings.tlsKeyFile),
    settings.tlsCaFile === '' ? undefined : readPem('tlsCaFile', settings.tlsCaFile),
  ]);
  return { cert, key, ...(ca && { ca }), clientCerts: settings.tlsClientCerts };
}

/** What this process shows to other services; undefined: plain text. */
export async function readClientTls(settings: TlsSettings): Promise<ChannelTls | undefined> {
  const own = await readServerTls(settings);
  if (own) return { cert: own.cert, key: own.key, ...(own.ca && { ca: own.ca }) };
  if (settings.tlsCaFile === '') return undefined;
  return { ca: await readPem('tlsCaFile', settings.tlsCaFile) };
}

/** When a certificate ends. */
export function endOf(pem: Buffer | undefined): Date | undefined {
  return pem && new Date(new X509Certificate(pem).validTo);
}

async function readPem(setting: keyof TlsSettings, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new Fault(`${variableOf(setting)} is ${file}, which cannot be read; name a PEM file`, { cause });
  }
}
