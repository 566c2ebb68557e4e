import { createSign, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';

/*
 * Certificates for tests of TLS: an authority and what it signs, valid for 127.0.0.1 and localhost. Written here because
 * Node can read certificates and not make them; a test must not need openssl.
 */

const DAY_MS = 86_400_000;

export interface CertificatePair {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** DNS name that it is for; default: localhost and 127.0.0.1. */
  readonly dnsName?: string;
  /** DNS names beside these. */
  readonly moreNames?: readonly string[];
  /** Default: as long as the authority. */
  readonly validUntil?: number;
}

export interface Certificates {
  /** PEM of the authority. */
  readonly ca: string;
  issue(commonName: string, options?: CertificateOptions): CertificatePair;
}

/** `validUntil`: of the authority, and of what it signs by default. Default: in a day. */
export function createCertificates({
  validUntil = Date.now() + DAY_MS,
}: { readonly validUntil?: number } = {}): Certificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // A name of its own: without key ids nothing else tells two authorities in one list apart.
  const issuer = `Lastcall test authority ${randomBytes(4).toString('hex')}`;
  const isCa = { extensions: caExtension(), validUntil };
  const ca = certificate(issuer, issuer, authority.publicKey, authority.privateKey, isCa);
  return {
    ca,
    issue: (commonName, { dnsName, moreNames = [], validUntil: until = validUntil } = {}) => {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return {
        cert: certificate(commonName, issuer, own.publicKey, authority.privateKey, {
          extensions: names(dnsName, moreNames),
          validUntil: until,
        }),
        key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },
  };
}

const OID = {
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  commonName: [0x55, 0x04, 0x03],
  basicConstraints: [0x55, 0x1d, 0x13],
  subjectAltName: [0x55, 0x1d, 0x11],
} as const;

interface Contents {
  readonly extensions: Buffer;
  readonly validUntil: number;
}

function certificate(
  subject: string,
  issuer: string,
  key: KeyObject,
  signer: KeyObject,
  { extensions, validUntil }: Contents,
): string {
  const algorithm = sequence(der(0x06, OID.ecdsaWithSha256));
  const valid = sequence(utcTime(Date.now() - 2 * DAY_MS), utcTime(validUntil));
  const body = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, [0x01, ...randomBytes(8)]),
    algorithm,
    name(issuer),
    valid,
    name(subject),
    key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extensions)),
  );
  const signature = createSign('sha256').update(body).sign(signer);
  const base64 = sequence(body, algorithm, der(0x03, [0, ...signature])).toString('base64');
  // No empty line, also when the last one is full: OpenSSL takes it for the end.
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function caExtension(): Buffer {
  const value = sequence(der(0x01, [0xff]));
  return sequence(der(0x06, OID.basicConstraints), der(0x01, [0xff]), der(0x04, value));
}

function names(dnsName: string | undefined, more: readonly string[]): Buffer {
  const dns = (text: string): Buffer => der(0x82, Buffer.from(text));
  const usual = dnsName === undefined ? [dns('localhost'), der(0x87, [127, 0, 0, 1])] : [dns(dnsName)];
  const all = [...usual, ...more.map(dns)];
  return sequence(der(0x06, OID.subjectAltName), der(0x04, sequence(...all)));
}

function name(commonName: string): Buffer {
  return sequence(der(0x31, sequence(der(0x06, OID.commonName), der(0x0c, Buffer.from(commonName)))));
}

function utcTime(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\D/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

/** Tag, length, content. */
function der(tag: number, content: Uint8Array | readonly number[]): Buffer {
  const bytes = Buffer.from(content);
  const { length } = bytes;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), bytes]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), bytes]);
}
