import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/**
 * Lets every TLS client of this process trust the site's own authority (PEM) beside those that the runtime knows: the catalog is asked over HTTPS
 * under the same authority as the services over gRPC. Once for each certificate; safe twice.
 */
export function trustAuthority(pem: string): void {
  setDefaultCACertificates([...getCACertificates('default'), pem]);
}
