import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { ChannelTls } from './tls-files.js';

/*
 * TLS whose certificates change while the channel is open. Each new connection is made with what is current then; those that are open go on as
 * they were made. The transport's own way (a certificate provider) forgets a certificate whose file cannot be read just then.
 */

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type ConnectorArguments = Parameters<ChannelCredentials['_createSecureConnector']>;

export class RenewedCredentials extends ChannelCredentials {
  private made: { readonly of: ChannelTls; readonly credentials: ChannelCredentials };

  /** `current` is asked for each connection. Throws when what it answers now is no good. */
  constructor(private readonly current: () => ChannelTls) {
    super();
    const of = current();
    this.made = { of, credentials: credentialsOf(of) };
  }

  _isSecure(): boolean {
    return true;
  }

  /** Connections are shared by equal credentials. */
  _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  _createSecureConnector(...args: ConnectorArguments): Connector {
    const connector = this.made.credentials._createSecureConnector(...args);
    return {
      waitForReady: () => connector.waitForReady(),
      // What goes wrong here is a connection that fails, and is tried again.
      connect: async (socket) =>
        this.latest()
          ._createSecureConnector(...args)
          .connect(socket),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }

  private latest(): ChannelCredentials {
    const of = this.current();
    if (of !== this.made.of) this.made = { of, credentials: credentialsOf(of) };
    return this.made.credentials;
  }
}

function credentialsOf({ ca, cert, key }: ChannelTls): ChannelCredentials {
  return credentials.createSsl(ca ?? null, key ?? null, cert ?? null);
}
