import { Client, credentials, Metadata, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { CallError, CODE } from './call-error.js';
import { letQueueGo, QuietCredentials } from './quiet-credentials.js';
import { RenewedCredentials } from './renewed-credentials.js';
import type { ChannelTls } from './tls-files.js';

/*
 * A connection to the services. Owns addresses, TLS, keepalive and limits; the only place that makes a gRPC client.
 * Many calls, streams and sessions share one channel.
 */

/** Where to, as whom, and how. */
export interface OpenChannelOptions {
  /** `host:port`. */
  readonly address: string;
  /** Bearer credential, asked for each call so that a rotated one is picked up; empty: none is sent. */
  readonly credential: () => string;
  /** Absent: plain text. A function is asked for each connection, so that renewed certificates are picked up. */
  readonly tls?: ChannelTls | (() => ChannelTls) | undefined;
  /** False: calls and streams of this channel do not keep the program running, as sessions should not. Default true. */
  readonly keepAlive?: boolean | undefined;
  /**
   * Channels of one program to the same address share a connection, and servers and proxies limit its streams, often to 100 or 250. Those of
   * another number have a connection of their own. Default 0.
   */
  readonly connection?: number | undefined;
  /** Number in [0, 1) for the jitter of repetitions. */
  readonly random?: () => number;
}

/** A connection to the services, for any number of calls, streams and sessions. */
export interface Channel {
  readonly address: string;
  readonly grpc: Client;
  /** Headers for one call. Throws a CallError when the credential cannot be read. */
  headers(): Metadata;
  /** For the jitter of repetitions, in [0, 1). */
  random(): number;
  /** Ends the connection when its calls have ended. Safe twice. */
  close(): void;
}

/** Bytes of a message, both ways (design, section 12). */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // Which calls may be repeated is decided here by their name, not by a service config.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 5_000,
};

/** Opens a connection to the services, when the first call needs it. Throws when certificates cannot be read. */
export function openChannel(options: OpenChannelOptions): Channel {
  const client = openClient(options);
  return {
    address: options.address,
    grpc: client,
    headers: () => bearer(options.credential),
    random: options.random ?? Math.random,
    close: () => client.close(),
  };
}

function openClient({ address, tls, keepAlive = true, connection = 0 }: OpenChannelOptions): Client {
  const plain = channelCredentials(tls);
  // grpc-js shares connections between channels whose options are equal, unknown ones included.
  const options = { ...CHANNEL_OPTIONS, 'lastcall.connection': connection };
  if (keepAlive) return new Client(address, plain, options);
  const client = new Client(address, new QuietCredentials(plain), options);
  letQueueGo(client);
  return client;
}

function channelCredentials(tls: OpenChannelOptions['tls']): ChannelCredentials {
  if (!tls) return credentials.createInsecure();
  return new RenewedCredentials(typeof tls === 'function' ? tls : () => tls);
}

function bearer(credential: () => string): Metadata {
  const metadata = new Metadata();
  try {
    const token = credential();
    // Refuses characters that a header cannot have: the file holds something else.
    if (token !== '') metadata.set('authorization', `Bearer ${token}`);
    return metadata;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CallError(
      CODE.unauthenticated,
      `the credential cannot be read: ${why}`,
      { reason: 'CREDENTIAL_UNREADABLE' },
      { cause },
    );
  }
}
