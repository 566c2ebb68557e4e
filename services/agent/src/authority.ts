import { getCACertificates, setDefaultCACertificates } from 'node:tls';

let known: readonly string[] | undefined;

/**
 * Lets every TLS client of this process trust the site's own authorities (PEM) beside those that the runtime knows: the catalog is asked over HTTPS
 * under the same ones as the services over gRPC. They take the place of those that were given before; safe twice.
 */
export function trustAuthority(pem: string): void {
  known ??= getCACertificates('default');
  setDefaultCACertificates([...known, pem]);
}
