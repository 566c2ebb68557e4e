import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/*
 * Certificates, keys and authorities from files that change while programs run: whatever renews them writes them in its own time and order.
 * What is handed on was read whole and fits together; until there is something better, what was good before stays in use.
 */

/** PEM bytes. */
export interface ChannelTls {
  /** Authorities to trust; absent: those of the system. */
  readonly ca?: Buffer;
  /** Own certificate and key, where the server demands one. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Paths of PEM files; absent or empty: none. Certificate and key come together. */
export interface TlsFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** A file that cannot be used, and why. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError';
  constructor(
    readonly field: keyof TlsFiles,
    path: string,
    why: string,
    options?: ErrorOptions,
  ) {
    super(`${path}, which ${why}`, options);
  }
}

/**
 * Reads the files, whole and fitting together: authorities of which one at least has not ended, a certificate that counts at `now`, its key. Throws
 * a TlsFileError. Answers `known` itself when nothing has changed since.
 */
export function readTlsFiles(files: TlsFiles, known?: ChannelTls, now = Date.now()): ChannelTls {
  const [ca, cert, key] = [readFile('ca', files.ca), readFile('cert', files.cert), readFile('key', files.key)];
  if (known && isSame(ca, known.ca) && isSame(cert, known.cert) && isSame(key, known.key)) return known;
  if (ca) checkAuthorities(files.ca ?? '', ca, now);
  if (!cert || !key) return { ...(ca && { ca }) };
  checkPair(files, cert, key, now);
  return { ...(ca && { ca }), cert, key };
}

/** The files as they are whenever somebody asks; as they were last while they cannot be used. Throws when they cannot from the start. */
export function followTlsFiles(files: TlsFiles): () => ChannelTls {
  let current = readTlsFiles(files);
  return () => {
    try {
      current = readTlsFiles(files, current);
    } catch (error) {
      // They are just being replaced, or somebody made a mistake: what is in use is still good, and its end is noticed by the other side.
      if (!(error instanceof TlsFileError)) throw error;
    }
    return current;
  };
}

function readFile(field: keyof TlsFiles, path: string | undefined): Buffer | undefined {
  if (!path) return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new TlsFileError(field, path, `cannot be read (${messageOf(cause)}); name a PEM file`, { cause });
  }
}

function isSame(read: Buffer | undefined, known: Buffer | undefined): boolean {
  return read && known ? read.equals(known) : read === known;
}

function checkAuthorities(path: string, pem: Buffer, now: number): void {
  const authorities = certificatesIn('ca', path, pem);
  if (authorities.some((one) => Date.parse(one.validTo) > now)) return;
  throw new TlsFileError('ca', path, 'has only certificates that have expired; put the current authority there');
}

function checkPair({ cert = '', key = '' }: TlsFiles, certPem: Buffer, keyPem: Buffer, now: number): void {
  const [own] = certificatesIn('cert', cert, certPem);
  if (own && Date.parse(own.validTo) <= now) {
    throw new TlsFileError('cert', cert, `has expired (${own.validTo}); renew it`);
  }
  if (own && Date.parse(own.validFrom) > now) {
    throw new TlsFileError('cert', cert, `is not valid before ${own.validFrom}; look at the clocks`);
  }
  const isPair = own?.checkPrivateKey(privateKey(key, keyPem));
  if (!isPair) throw new TlsFileError('key', key, `does not belong to the certificate ${cert}; renew both together`);
}

function privateKey(path: string, pem: Buffer) {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new TlsFileError('key', path, 'holds no private key without a password (PEM)', { cause });
  }
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** All of a file, its own first. One that was written half has a beginning without an end. */
function certificatesIn(field: 'ca' | 'cert', path: string, pem: Buffer): X509Certificate[] {
  const text = pem.toString('latin1');
  const blocks = text.match(BLOCK) ?? [];
  const begun = text.split('-----BEGIN CERTIFICATE-----').length - 1;
  if (blocks.length === 0) throw new TlsFileError(field, path, 'holds no certificate (PEM)');
  if (begun !== blocks.length) throw new TlsFileError(field, path, 'ends in the middle of a certificate');
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new TlsFileError(field, path, `holds a certificate that cannot be read (${messageOf(cause)})`, { cause });
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
