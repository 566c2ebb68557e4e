import { ServerCredentials } from '@grpc/grpc-js';
import type { Certificates } from '../certificates.js';

/*
 * TLS of the gRPC server with certificates that change while it listens: connections that are open go on, the next ones get what is current.
 */

export function serverCredentials(certificates: Certificates | undefined): ServerCredentials {
  return certificates ? new RenewedServerCredentials(certificates) : ServerCredentials.createInsecure();
}

class RenewedServerCredentials extends ServerCredentials {
  constructor(certificates: Certificates) {
    super(clientCertificateOptions(certificates), { ...certificates.current() });
    certificates.onChange((tls) => this.updateSecureContextOptions({ ...tls }));
  }

  _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/** Asked for: whoever shows none, or a stranger's, is let in as somebody without a certificate. */
export function clientCertificateOptions({ clientCerts }: Pick<Certificates, 'clientCerts'>) {
  return { requestCert: clientCerts !== 'none', rejectUnauthorized: clientCerts === 'required' };
}
