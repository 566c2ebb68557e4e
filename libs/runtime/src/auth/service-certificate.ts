import type { Principal } from '@lastcall/contracts';
import { reject, type Rejected } from '@lastcall/kernel';
import { X509Certificate } from 'node:crypto';

/*
 * A service's own credential opens everything, for years. Where callers are asked for certificates it counts only on a connection that was opened
 * with the certificate of that service: one of the authority, with the DNS name that the setting says. Whoever has the credential alone has nothing.
 */

/** DER of a certificate of the authority that the connection was opened with; undefined: none was shown, or one of somebody else. */
export type ShownCertificate = () => Uint8Array | undefined;

export const SERVICE_SUBJECT = 'service:';

/** `pattern`: a DNS name in which `{service}` stands for the service. */
export function nameOfService(pattern: string, service: string): string {
  return pattern.replace('{service}', service);
}

/** An exact DNS name among its alternative ones; no wildcard names a service, nor does the common name. */
export function namesService(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name, { subject: 'never', wildcards: false }) !== undefined;
}

/** Undefined: the credential is not that of a service, or comes with its certificate. */
export function refuseService(
  { subject }: Principal,
  pattern: string,
  certificate: ShownCertificate,
): Rejected | undefined {
  if (!subject.startsWith(SERVICE_SUBJECT)) return undefined;
  const name = nameOfService(pattern, subject.slice(SERVICE_SUBJECT.length));
  const shown = certificate();
  if (shown && isHostName(name) && namesService(new X509Certificate(shown), name)) return undefined;
  const what = shown ? 'the one that was shown is for somebody else' : 'none of the authority was shown';
  const message = `The credential of "${subject}" counts only with a client certificate for the DNS name ${name}; ${what}.`;
  return reject('unauthenticated', 'NO_SERVICE_CERTIFICATE', message, { facts: { subject, name } });
}

/** What follows `service:` comes from whoever made the credential. */
function isHostName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(name);
}
